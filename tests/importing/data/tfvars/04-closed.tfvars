resource_name_prefix = "closed"
aws_region = "us-west-2"
closed_network = true
eks_endpoint_public_access = false
create_ec2_endpoint = true
create_eks_auth_endpoint = true
enable_kubeflow_training_operators = false
enable_mpi_operator = false
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
