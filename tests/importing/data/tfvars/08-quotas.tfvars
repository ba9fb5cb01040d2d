aws_region = "us-west-2"
resource_name_prefix = "teams"
create_task_governance_module = true
task_governance_compute_quotas = [
  {
    name = "vision-quota"
    compute_quota_resources = [{ instance_type = "ml.p5.48xlarge", count = 2 }]
    resource_sharing_config = { strategy = "Lend" }
    target = { team_name = "vision", fair_share_weight = 60 }
  },
  {
    name             = "language"
    description      = "Language models"
    activation_state = "Disabled"
    compute_quota_resources = [{ instance_type = "ml.p5.48xlarge", accelerators = 4, vcpu = 48, memory_in_gib = 512 }]
    resource_sharing_config = { strategy = "LendAndBorrow", borrow_limit = 80 }
    preempt_team_tasks = "Never"
    target = { team_name = "language" }
  }
]
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
