aws_region = "us-west-2"
resource_name_prefix = "mixed"
create_vpc_module = false
existing_vpc_id = "vpc-0123456789abcdef1"
create_private_subnet_module = true
create_eks_subnets = false
existing_eks_subnet_ids = ["subnet-0123456789abcdef3", "subnet-0123456789abcdef4"]
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
