resource_name_prefix = "lab"
aws_region = "us-west-2"
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
  },
  {
    name                      = "gpu"
    instance_type             = "ml.p5.48xlarge"
    instance_count            = 4
    availability_zone_id      = "usw2-az2"
    ebs_volume_size_in_gb     = 500
    threads_per_core          = 1
    enable_stress_check       = true
    enable_connectivity_check = true
    lifecycle_script          = "on_create.sh"
    training_plan_arn         = "arn:aws:sagemaker:us-west-2:111122223333:training-plan/big"
    labels                    = { "example.com/team" = "vision" }
    taints                    = [{ key = "dedicated", value = "gpu", effect = "NoSchedule" }]
  }
]
