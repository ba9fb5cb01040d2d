"""Converts variables of the Terraform module of awsome-distributed-training (hyperpod-eks-tf)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import catalog
from .conforming import VARIABLES, conform
from .draft import Draft, Values, kubernetes, names, platform_name, role_arn
from .groups import ClusterDefaults, group_of
from .parameters import LUSTRE_THROUGHPUT, NEED_VALUES, Stated

_ENDPOINTS = {
    **{f"create_{name}_endpoint": name for name in ("ec2", "sts", "logs", "monitoring", "ssm", "ssmmessages")},
    "create_ec2messages_endpoint": "ec2messages",
    "create_eks_auth_endpoint": "eks-auth",
    "create_ecr_api_endpoint": "ecr.api",
    "create_ecr_dkr_endpoint": "ecr.dkr",
}
_CHART = {
    **{f"enable_{name}": name for name in ("gpu_operator", "mlflow", "mpi_operator", "deep_health_check")},
    **{f"enable_{name}": name for name in ("job_auto_restart", "hyperpod_patching", "neuron_device_plugin")},
    **{f"enable_{name}_role_and_bindings": f"{name}_role_and_bindings" for name in ("cluster", "namespaced", "team")},
    "enable_kubeflow_training_operators": "training_operators",
}
_LEVELS = {
    **{f"{name}_metric_level": name for name in ("training", "task_governance", "scaling", "node", "network")},
    "cluster_metric_level": "custom",
    "accelerated_compute_metric_level": "accelerated_compute",
}
_GROUP = {
    "name": "InstanceGroupName",
    "instance_type": "InstanceType",
    "instance_count": "InstanceCount",
    "threads_per_core": "ThreadsPerCore",
    "availability_zone_id": "TargetAvailabilityZoneId",
    "image_id": "ImageId",
    "training_plan_arn": "TrainingPlanArn",
}
_READ = {
    *("ebs_volume_size_in_gb", "enable_stress_check", "enable_connectivity_check", "lifecycle_script", "labels"),
    *("taints", "fsxl_per_unit_storage_throughput", "fsxl_size_in_gi_b"),
}


def import_variables(given: Mapping[str, Any], stated: Stated | None = None) -> Draft:
    """Converts variables as plain data.

    >>> import_variables({"resource_name_prefix": "lab", "aws_region": "us-east-1"}).data["region"]
    'us-east-1'
    """
    draft = Draft()
    stated = stated or Stated()
    given = conform(dict(given), VARIABLES, draft.losses)
    computed = {name: value for name, value in given.items() if "${" in str(value)}
    values = Values(names("variables"), {name: given[name] for name in given if name not in computed})
    draft.losses += [
        f"{name} ({value}): an expression, which only Terraform can evaluate" for name, value in computed.items()
    ]
    prefix = values.text("resource_name_prefix")
    name = platform_name(prefix)
    draft.put("name", name, f"the source uses {prefix}" if name != prefix else "")
    region = stated.region or values.text("aws_region")
    draft.put("region", region, "" if stated.region or values.is_set("aws_region") else "the default of the module")
    stated.put(draft)
    restricted = values["restricted_instance_groups"] or []
    groups = (values["instance_groups"] or []) if not restricted else []
    _network(values, draft, stated, [*groups, *restricted])
    _eks(values, draft)
    if values.is_enabled("create_helm_chart_module"):
        _dependencies(values, draft)
    else:
        draft.put("dependencies.enabled", False)
    _cluster(values, draft, name, stated, region, restricted=bool(restricted))
    _groups(draft, groups, restricted, values)
    if not restricted:  # with restricted groups, the module disables all of these
        _addons(values, draft)
        _observability(values, draft, region, stated)
        _governance(values, draft)
        _storage(values, draft)
    values.account_for(draft)
    return draft


def _network(values: Values, draft: Draft, stated: Stated, groups: Sequence[Mapping[str, Any]]) -> None:
    own_subnets = not values.is_enabled("create_private_subnet_module")
    if values.is_enabled("create_vpc_module") and not own_subnets:
        used = [str(group["availability_zone_id"]) for group in groups if group.get("availability_zone_id")]
        zones = list(stated.zones or dict.fromkeys(used))
        draft.put("network.availability_zone_ids", zones)
        if not stated.zones:
            note = (
                "the zones of the groups; the module creates a subnet in each zone of the region, up to the "
                "number of CIDRs"
            )
            draft.notes["network.availability_zone_ids"] = note
        draft.put("network.vpc_cidr", values.text("vpc_cidr"))
        cidrs = values.many("private_subnet_cidrs")
        if cidrs != catalog.load("importing")["variables"]["private_subnet_cidrs"]["default"]:
            if len(zones) <= len(cidrs):
                draft.put("network.node_cidrs", cidrs[: len(zones)])
            else:
                draft.losses.append(
                    f"private_subnet_cidrs ({', '.join(cidrs)}): {len(zones)} zones require the same number of CIDRs"
                )
        if values.is_enabled("closed_network"):
            draft.put("network.mode", "closed")
        _endpoints(values, draft, closed=values.is_enabled("closed_network"))
        return
    draft.put("network.existing.vpc_id", values.text("existing_vpc_id") or None)
    if not own_subnets:
        draft.losses.append(
            "create_private_subnet_module (true): new subnets in an existing VPC are not supported; create "
            "them first, and list them in network.existing.node_subnets"
        )
    nodes: list[dict[str, Any]] = [{"subnet_id": subnet_id} for subnet_id in values.many("existing_private_subnet_ids")]
    if len(stated.zones) == len(nodes):
        for node, zone in zip(nodes, stated.zones, strict=True):
            node["availability_zone_id"] = zone
    tables = values.many("existing_private_route_table_ids")
    if values.is_enabled("create_vpc_endpoints_module") and values.is_enabled("create_s3_endpoint") and tables:
        if len(tables) in (1, len(nodes)):
            for node, table in zip(nodes, tables if len(tables) > 1 else tables * len(nodes), strict=True):
                node["route_table_id"] = table
            draft.put("network.interface_endpoints", ["s3"])
        else:
            draft.losses.append(
                f"existing_private_route_table_ids ({', '.join(tables)}): {len(tables)} tables for "
                f"{len(nodes)} subnets; set the route_table_id of each subnet, and interface_endpoints: [s3]"
            )
    draft.put("network.existing.node_subnets", nodes or None)
    if not values.is_enabled("create_eks_subnets"):
        draft.put("network.existing.control_plane_subnet_ids", values.many("existing_eks_subnet_ids") or None)
    if not values.is_enabled("create_security_group_module") or not values.is_enabled("create_eks_module"):
        draft.put("network.existing.security_group_id", values.text("existing_security_group_id") or None)
    draft.data.setdefault("network", {}).setdefault("existing", {})
    _endpoints(values, draft, closed=False)


def _endpoints(values: Values, draft: Draft, *, closed: bool) -> None:
    services = [service for name, service in _ENDPOINTS.items() if values.is_enabled(name)]
    enabled = values.is_enabled("create_vpc_endpoints_module")
    if not (enabled and values.is_enabled("create_s3_endpoint")) and not draft.get("network.existing"):
        draft.losses.append("create_s3_endpoint (false): a new network always has the S3 gateway endpoint")
    if enabled and services and not closed:
        draft.put("network.interface_endpoints", [*draft.get("network.interface_endpoints", []), *services])
    elif closed:
        draft.messages.append("not required: create_..._endpoint: a closed network always has its required endpoints")


def _eks(values: Values, draft: Draft) -> None:
    if not values.is_enabled("create_eks_module"):
        draft.put("eks.existing.cluster_name", values.text("existing_eks_cluster_name"))
        return
    kubernetes(draft, values, "kubernetes_version")
    if values.is_set("eks_cluster_name"):
        draft.put("eks.cluster_name", values.text("eks_cluster_name"))
    private, public = values.is_enabled("eks_endpoint_private_access"), values.is_enabled("eks_endpoint_public_access")
    if not (private and public):
        draft.put("eks.endpoint_access", "private" if private else "public")


def _dependencies(values: Values, draft: Draft) -> None:
    for name, component in _CHART.items():
        enabled = values.is_enabled(name)
        if enabled and component in NEED_VALUES:
            draft.losses.append(f"{name} (true): {NEED_VALUES[component]}")
        elif enabled != catalog.load("chart")["components"][component]["default"]:
            draft.put(f"dependencies.{component}", enabled)
    if not values.is_enabled("enable_nvidia_device_plugin") and not values.is_enabled("enable_gpu_operator"):
        draft.put("dependencies.nvidia_device_plugin", False)


def _cluster(values: Values, draft: Draft, name: str, stated: Stated, region: str | None, *, restricted: bool) -> None:
    if not values.is_enabled("create_hyperpod_module"):
        draft.losses.append("create_hyperpod_module (false): this config always creates a HyperPod cluster")
    cluster_name = values.text("hyperpod_cluster_name")
    if values.is_set("hyperpod_cluster_name") and cluster_name != name:
        draft.put("cluster.cluster_name", cluster_name)
    if not values.is_enabled("auto_node_recovery"):
        draft.put("cluster.node_recovery", "None")
    if not values.is_enabled("continuous_provisioning_mode") or restricted:
        draft.put("cluster.provisioning", "Request", "the module does not request continuous provisioning in this case")
    if values.is_enabled("karpenter_autoscaling") and not restricted:
        draft.put("cluster.autoscaling", {"node_pool": False}, "the module does not create NodePools: apply your own")
        draft.put("cluster.counts", "autoscaler")
    if not values.is_enabled("create_sagemaker_iam_role_module"):
        role = values.text("existing_sagemaker_iam_role_name")
        draft.put("cluster.execution_role_arn", role_arn(role, stated.account, region))
    own_bucket = not values.is_enabled("create_s3_bucket_module")
    uploads = values.is_enabled("create_lifecycle_script_module")
    if own_bucket and not values.text("existing_s3_bucket_name"):
        draft.losses.append(
            "create_s3_bucket_module (false): no existing bucket is set; a new bucket is created for the scripts"
        )
    if own_bucket and values.text("existing_s3_bucket_name"):
        draft.put("cluster.lifecycle", {"source": f"s3://{values.text('existing_s3_bucket_name')}"})
    elif not uploads:
        draft.losses.append(
            "create_lifecycle_script_module (false): the new bucket has no script; this library's script is "
            "used instead"
        )


def _groups(draft: Draft, groups: Sequence[Any], restricted: Sequence[Any], values: Values) -> None:
    lifecycle = draft.get("cluster.lifecycle")
    source = lifecycle["source"] if lifecycle else "s3://BUCKET"
    found = []
    for group in groups:
        given = _group(group, draft)
        script = group.get("lifecycle_script") or "on_create.sh"
        if lifecycle:
            given["LifeCycleConfig"] = {"SourceS3Uri": source, "OnCreate": script}
        elif script != "on_create.sh":
            draft.losses.append(
                f"group {group.get('name')}: lifecycle_script ({script}): not copied; copy it to a folder, and "
                "set lifecycle.source to that folder"
            )
        found.append(group_of(given, ClusterDefaults(lifecycle=lifecycle)))
    draft.put("cluster.instance_groups", [group.data for group in found] or None)
    restricted_groups: list[dict[str, Any]] = []
    for group in restricted:
        given = _group(group, draft)
        given["EnvironmentConfig"] = {
            "FSxLustreConfig": {
                "SizeInGiB": group.get("fsxl_size_in_gi_b"),
                "PerUnitStorageThroughput": group.get("fsxl_per_unit_storage_throughput"),
            }
        }
        data = group_of(given, restricted=True).data
        for key, name in (("input_bucket_arns", "rig_input_s3_bucket"), ("output_bucket_arns", "rig_output_s3_bucket")):
            if bucket := values.text(name):
                data[key] = [f"arn:aws:s3:::{bucket}"]
        functions = [values.is_enabled("rig_rft_lambda_access"), values.is_enabled("rig_rft_sqs_access")]
        if any(functions):
            data["reward_functions"] = True
        if functions[0] != functions[1] and not restricted_groups:
            draft.losses.append("rig_rft_lambda_access, rig_rft_sqs_access: reward_functions allows both")
        if values.is_enabled("gated_access"):
            data["gated_recipes"] = True
        restricted_groups.append(data)
    draft.put("cluster.restricted_instance_groups", restricted_groups or None)


def _group(group: Mapping[str, Any], draft: Draft) -> dict[str, Any]:
    given: dict[str, Any] = {api_key: group.get(name) for name, api_key in _GROUP.items()}
    if size := group.get("ebs_volume_size_in_gb"):
        given["InstanceStorageConfigs"] = [{"EbsVolumeConfig": {"VolumeSizeInGB": size}}]
    checks = (("InstanceStress", "enable_stress_check"), ("InstanceConnectivity", "enable_connectivity_check"))
    given["OnStartDeepHealthChecks"] = [check for check, name in checks if group.get(name)]
    given["KubernetesConfig"] = {"Labels": group.get("labels"), "Taints": group.get("taints")}
    draft.losses += [
        f"group {group.get('name')}: {key} ({value}): not a key of the module's instance groups"
        for key, value in group.items()
        if key not in _GROUP and key not in _READ and value is not None
    ]
    return given


def _addons(values: Values, draft: Draft) -> None:
    training = values.is_enabled("create_hyperpod_training_operator_module")
    inference = values.is_enabled("create_hyperpod_inference_operator_module")
    if training:
        draft.put("addons.training_operator", {})
    if inference:
        draft.put("addons.inference_operator", {})
        for key, name in (("load_balancer", "enable_alb_controller"), ("keda", "enable_keda")):
            if not values.is_enabled(name):
                draft.put(f"addons.inference_operator.{key}", False)
    required = {"cert_manager": "enable_cert_manager"} if training or inference else {}
    if inference:
        required |= {"mountpoint_s3_csi": "enable_s3_csi_driver", "metrics_server": "enable_metrics_server"}
    for key, name in required.items():
        if not values.is_enabled(name) and values.is_enabled("create_eks_module"):
            draft.losses.append(f"{name} (false): the operator requires it, and a new EKS cluster does not have it")
        elif not values.is_enabled(name):
            draft.put(f"addons.{key}", {"enabled": False})
    if values.is_enabled("create_task_governance_module"):
        draft.put("addons.task_governance", {})
    if values.is_enabled("create_fsx_module"):
        draft.put("addons.fsx_csi", {})


def _observability(values: Values, draft: Draft, region: str | None, stated: Stated) -> None:
    if not values.is_enabled("create_observability_module"):
        return
    found: dict[str, Any] = {}
    levels = {key: values.text(name) for name, key in _LEVELS.items()}
    if levels:
        found["metrics"] = levels
    found["logs"] = values.is_enabled("logging_enabled")
    if not values.is_enabled("create_prometheus_workspace") and values.text("existing_prometheus_workspace_id"):
        workspace = values.text("existing_prometheus_workspace_id")
        found["workspace_arn"] = f"arn:aws:aps:{region}:{stated.account or 'ACCOUNT'}:workspace/{workspace}"
    grafana: dict[str, Any] = {"kind": "managed"}
    if not values.is_enabled("create_grafana_workspace"):
        workspace = values.text("existing_grafana_workspace_id")
        grafana = {**grafana, "workspace_id": workspace} if workspace else {}
    if grafana and values.is_set("grafana_workspace_name"):
        grafana["workspace_name"] = values.text("grafana_workspace_name")
    if grafana:
        found["grafana"] = grafana
    draft.put("addons.observability", found)


def _governance(values: Values, draft: Draft) -> None:
    if not values.is_enabled("create_task_governance_module"):
        return
    teams = []
    for quota in values["task_governance_compute_quotas"] or ():
        sharing = quota.get("resource_sharing_config") or {}
        target = quota.get("target") or {}
        team: dict[str, Any] = {"name": target.get("team_name") or quota.get("name")}
        if quota.get("name") != team["name"]:
            draft.messages.append(f"the quota {quota.get('name')!r} is named after its team: {team['name']!r}")
        team["description"] = quota.get("description") or None
        team["quota"] = [_resource(quota_resource) for quota_resource in quota.get("compute_quota_resources") or ()]
        team["sharing"] = sharing.get("strategy")
        team["borrow_limit"] = sharing.get("borrow_limit")
        team["borrow_limits"] = [_resource(limit) for limit in sharing.get("absolute_borrow_limits") or ()] or None
        team["preempt"] = quota.get("preempt_team_tasks")
        team["fair_share_weight"] = target.get("fair_share_weight")
        team["active"] = quota.get("activation_state", "Enabled") == "Enabled"
        teams.append({key: value for key, value in team.items() if value is not None})
    draft.put("governance.teams", teams or None)


def _resource(given: Mapping[str, Any]) -> dict[str, Any]:
    partition = given.get("accelerator_partition") or {}
    found = {key: given.get(key) for key in ("instance_type", "count", "accelerators", "vcpu")}
    found |= {"memory_gib": given.get("memory_in_gib")}
    found |= {"mig_profile": partition.get("type"), "mig_count": partition.get("count")}
    return {key: value for key, value in found.items() if value is not None}


def _storage(values: Values, draft: Draft) -> None:
    if not values.is_enabled("create_fsx_module") or not values.is_enabled("create_new_fsx_filesystem"):
        return
    namespace, throughput = values.text("fsx_pvc_namespace"), values.number("fsx_throughput")
    system = {
        "name": "fsx-claim",
        "size_gib": values.number("fsx_storage_capacity"),
        "throughput": throughput if throughput != LUSTRE_THROUGHPUT else None,
        "compression": values.text("fsx_data_compression_type"),
        "lustre_version": values.text("fsx_file_system_type_version"),
        "namespaces": [namespace] if namespace else None,
    }
    draft.put("storage.lustre", [{key: value for key, value in system.items() if value is not None}])
