aws_region = "us-west-2"
resource_name_prefix = "scale"
karpenter_autoscaling = true
auto_node_recovery = false
continuous_provisioning_mode = true
private_subnet_cidrs = ["10.21.0.0/16", "10.22.0.0/16"]
create_helm_chart_module = false
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
