aws_region = "us-west-2"
resource_name_prefix = "shared"
create_vpc_module = false
existing_vpc_id = "vpc-0123456789abcdef1"
create_private_subnet_module = false
existing_private_subnet_ids = ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"]
existing_private_route_table_ids = ["rtb-0123456789abcdef1", "rtb-0123456789abcdef2"]
create_security_group_module = false
existing_security_group_id = "sg-0123456789abcdef1"
create_eks_module = false
existing_eks_cluster_name = "shared-eks"
create_sagemaker_iam_role_module = false
existing_sagemaker_iam_role_name = "HyperPodNodes"
create_s3_bucket_module = false
existing_s3_bucket_name = "scripts-of-ours"
create_fsx_module = false
instance_groups = [
  {
    name                      = "system"
    instance_type             = "ml.m5.4xlarge"
    instance_count            = 2
    availability_zone_id      = "usw2-az1"
    ebs_volume_size_in_gb     = 100
    threads_per_core          = 2
    enable_stress_check       = false
    enable_connectivity_check = false
    lifecycle_script          = "on_create.sh"
  }
]
