aws_region = "us-east-1"
rig_input_s3_bucket = "nova-input"
rig_output_s3_bucket = "nova-output"
gated_access = false
rig_rft_sqs_access = false
resource_name_prefix = "nova"
create_observability_module = true
restricted_instance_groups = [
  {
    name = "rig"
    instance_type = "ml.p5.48xlarge",
    instance_count = 2,
    availability_zone_id = "use1-az6",
    ebs_volume_size_in_gb = 850,
    threads_per_core = 2,
    enable_stress_check = false,
    enable_connectivity_check = false,
    fsxl_per_unit_storage_throughput = 250,
    fsxl_size_in_gi_b = 4800
  }
]
