aws_region = "us-west-2"
resource_name_prefix = "watch"
create_observability_module = true
create_prometheus_workspace = false
existing_prometheus_workspace_id = "ws-0a1b"
create_grafana_workspace = false
existing_grafana_workspace_id = "g-0a1b2c3d4e"
create_hyperpod_inference_operator_module = true
enable_alb_controller = false
enable_keda = false
enable_metrics_server = false
enable_cert_manager = false
enable_s3_csi_driver = false
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
