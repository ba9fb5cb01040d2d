aws_region = "us-west-2"
resource_name_prefix = "chart"
enable_gpu_operator = true
enable_nvidia_device_plugin = false
enable_mlflow = true
enable_cluster_role_and_bindings = true
enable_job_auto_restart = false
create_s3_endpoint = false
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
    lifecycle_script          = "mine.sh"
  }
]
