aws_region = "us-west-2"
resource_name_prefix = "expr"
kubernetes_version = var.version
vpc_cidr = "${local.net}.0.0/16"
colour = "blue"
vcp_cidr = "10.3.0.0/16"
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
