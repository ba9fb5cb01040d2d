"""The isolation of teams, evaluated by Google's CEL runtime (cel-expr-python): escapes rejected, training admitted."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import kubernetes_validate
import pytest
from assembly import ROOT, Assembly
from cel_expr_python import cel
from pod_escapes import ESCAPES, NEEDED, pod

from hyperpod_constructs.core.checks.isolation import refused_job
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.isolation import isolation_objects, pod_security_labels
from hyperpod_constructs.core.isolation_preview import refused
from hyperpod_constructs.core.jobs.pods import pod_template
from hyperpod_constructs.core.manifests import team_objects
from hyperpod_constructs.core.spec import Cluster, Governance, Isolation, Job, Team

P5, SYSTEM = "ml.p5.48xlarge", "ml.m5.4xlarge"
CLUSTER = Cluster.model_validate(
    {
        "instance_groups": [
            {"name": "system", "instance_type": SYSTEM, "count": 2},
            {
                "name": "workers",
                "instance_type": P5,
                "count": 2,
                "taints": [{"key": "vision", "value": "yes", "effect": "NoSchedule"}],
            },
            {
                "name": "others",
                "instance_type": "ml.g5.8xlarge",
                "count": 2,
                "taints": [{"key": "speech", "effect": "NoSchedule"}],
            },
        ]
    }
)
VISION = Team.model_validate({"name": "vision", "quota": [{"instance_type": P5, "count": 2}]})
GOVERNANCE = Governance(teams=(VISION,))


@cache
def compiled(expression: str) -> Any:
    names = ("object", "oldObject", "request")
    program = cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN)).compile(expression)
    assert program.return_type().name() in ("BOOL", "DYN"), expression
    return program


def evaluated(expression: str, request: Mapping[str, Any]) -> bool:
    """The result of the expression; an error is a rejection, as with `failurePolicy: Fail`."""
    value = compiled(expression).eval(data=dict(request)).plain_value()
    assert isinstance(value, bool), f"{value}: {expression}"
    return value


def answers(
    policy: Mapping[str, Any], new: dict[str, Any], old: dict[str, Any] | None = None, operation: str = "CREATE"
) -> list[str]:
    """The messages with which a policy rejects an object; empty if the object is admitted."""
    spec = policy["spec"]
    request = {"object": new, "oldObject": old, "request": {"operation": operation}}
    if not all(
        evaluated(match_condition["expression"], request) for match_condition in spec.get("matchConditions", ())
    ):
        return []
    return [finding["message"] for finding in spec["validations"] if not evaluated(finding["expression"], request)]


def policies(team: Team = VISION, cluster: Cluster | None = CLUSTER) -> dict[str, dict[str, Any]]:
    found = isolation_objects(team, cluster=cluster)
    return {
        manifest["metadata"]["name"]: manifest for manifest in found if manifest["kind"] == "ValidatingAdmissionPolicy"
    }


def pods_policy(team: Team = VISION, cluster: Cluster | None = CLUSTER) -> dict[str, Any]:
    return policies(team, cluster)[f"{team.namespace}-pods"]


# ---- escapes and what training needs ----


def test_the_table_has_enough_escapes() -> None:
    print(f"{len(ESCAPES)} escape attempts, {len(NEEDED)} pods that training requires")
    assert len(ESCAPES) >= 25
    page = " ".join((ROOT / "docs" / "governance.md").read_text().split())
    assert f"{len(ESCAPES)} escape attempts, {len(NEEDED)} pods that training requires" in page


@pytest.mark.parametrize("name", ESCAPES)
def test_an_escape_is_rejected(name: str) -> None:
    limit, manifest = ESCAPES[name]
    assert len(answers(pods_policy(), manifest)) == 1
    assert refused(manifest, VISION, cluster=CLUSTER) == [limit], "the check before the deployment reports the same"


@pytest.mark.parametrize("name", NEEDED)
def test_requirements_of_training_are_admitted(name: str) -> None:
    assert answers(pods_policy(), NEEDED[name]) == []
    assert refused(NEEDED[name], VISION, cluster=CLUSTER) == []


def test_the_pods_are_valid_in_kubernetes() -> None:
    pods = [*(manifest for _, manifest in ESCAPES.values()), *NEEDED.values()]
    assert len(pods) > 20
    for manifest in pods:
        kubernetes_validate.validate(manifest, "1.33", strict=True)


def test_the_message_states_the_fix() -> None:
    (message,) = answers(pods_policy(), pod({"nodeSelector": None}))
    assert message == (
        "team vision: pods must not run on nodes of the group system, where operators run: select an instance type other "
        "than ml.m5.4xlarge by node.kubernetes.io/instance-type, or another group by "
        "sagemaker.amazonaws.com/instance-group-name"
    )


def test_tokens_of_service_accounts_are_not_created_as_secrets() -> None:
    policy = policies()["hyperpod-ns-vision-secrets"]
    token = {"type": "kubernetes.io/service-account-token", "metadata": {"name": "t"}}
    assert len(answers(policy, token)) == 1
    assert answers(policy, {"type": "Opaque", "metadata": {"name": "hub"}}) == []
    assert answers(policy, {"metadata": {"name": "hub"}}) == []


# ---- pods that are there already ----


def test_a_running_pod_that_breaks_a_limit_keeps_its_labels_and_finalizers_changeable() -> None:
    old = pod({"hostNetwork": True, "nodeName": "node-1"}, finalizers=["batch.kubernetes.io/job-tracking"])
    new = copy.deepcopy(old)
    del new["metadata"]["finalizers"]
    assert answers(pods_policy(), new, old, "UPDATE") == []


def test_a_running_pod_is_not_given_a_debug_container_with_more_rights() -> None:
    old = pod({"nodeName": "node-1"})
    new = copy.deepcopy(old)
    new["spec"]["ephemeralContainers"] = [{"name": "d", "image": "x", "securityContext": {"privileged": True}}]
    assert len(answers(pods_policy(), new, old, "UPDATE")) == 1


def test_a_scheduled_pod_may_change() -> None:
    old = pod({"nodeName": "node-1"})
    new = copy.deepcopy(old)
    new["spec"]["containers"][0]["image"] = "registry/train:v2"
    assert answers(pods_policy(), new, old, "UPDATE") == []


# ---- switches ----

SWITCHES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "privileged": (
        {"privileged": True},
        {
            "privileged",
            "privileged init container",
            "privileged debug container",
            "privileged second container",
        },
    ),
    "host_network": ({"host_network": True}, {"host network", "host port"}),
    "host_ipc": ({"host_ipc": True}, {"host IPC"}),
    "host_paths": ({"host_paths": ["/var/lib/kubelet"]}, {"tokens of the kubelet"}),
    "capabilities": ({"capabilities": ["SYS_PTRACE"]}, {"SYS_PTRACE"}),
    "service_accounts": ({"service_accounts": ["default", "builder"]}, {"service account of somebody else"}),
    "tolerations": ({"tolerations": ["speech"]}, {"taint of another group"}),
    "system_nodes": (
        {"system_nodes": True},
        {name for name, (limit, _) in ESCAPES.items() if limit == "system-nodes"},
    ),
}


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_opens_what_it_names_and_nothing_else(name: str) -> None:
    values, opened = SWITCHES[name]
    team = VISION.model_copy(update={"isolation": Isolation.model_validate(values)})
    assert {escape for escape, (_, manifest) in ESCAPES.items() if not answers(pods_policy(team), manifest)} == opened


def test_without_isolation_no_policy_is_created() -> None:
    team = VISION.model_copy(update={"isolation": Isolation(enabled=False)})
    assert isolation_objects(team, cluster=CLUSTER) == []


def test_every_switch_is_shown() -> None:
    assert {*SWITCHES, "enabled", "network_policy"} == set(Isolation.model_fields)


# ---- the objects ----


@pytest.mark.parametrize("version", ["1.31", "1.33", "1.35"])
def test_the_objects_fit_the_schemas_of_kubernetes(version: str) -> None:
    objects = isolation_objects(VISION, cluster=CLUSTER)
    assert {manifest["kind"] for manifest in objects} >= {
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "NetworkPolicy",
    }
    for item in objects:
        kubernetes_validate.validate(item, version, strict=True)


def test_a_policy_is_bound_and_looks_at_the_namespace_by_its_name() -> None:
    found = isolation_objects(VISION, cluster=CLUSTER)
    bound = {
        manifest["spec"]["policyName"]: manifest["spec"]["validationActions"]
        for manifest in found
        if manifest["kind"] == "ValidatingAdmissionPolicyBinding"
    }
    assert bound == {name: ["Deny"] for name in policies()}
    for policy in policies().values():
        (match,) = policy["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"]
        assert match == {
            "key": "kubernetes.io/metadata.name",
            "operator": "In",
            "values": ["hyperpod-ns-vision"],
        }
        assert policy["spec"]["failurePolicy"] == "Fail"


def test_pods_do_not_reach_the_instance_metadata_service_and_other_teams_not_them() -> None:
    (policy,) = [
        isolation_object
        for isolation_object in isolation_objects(VISION)
        if isolation_object["kind"] == "NetworkPolicy"
    ]
    (egress,) = policy["spec"]["egress"]
    assert egress["to"][1]["ipBlock"]["except"] == ["169.254.169.254/32"]
    (ingress,) = policy["spec"]["ingress"]
    same_namespace, operators = ingress["from"]
    assert same_namespace == {"podSelector": {}}
    allowed = operators["namespaceSelector"]["matchExpressions"][0]["values"]
    assert "aws-hyperpod" in allowed
    assert not [name for name in allowed if name.startswith("hyperpod-ns-") or name == "default"]


def test_a_team_without_exceptions_has_the_baseline_enforced_twice() -> None:
    strict = Isolation(host_paths=(), capabilities=())
    assert pod_security_labels(strict)["pod-security.kubernetes.io/enforce"] == "baseline"
    assert pod_security_labels(Isolation())["pod-security.kubernetes.io/enforce"] == "privileged"
    assert pod_security_labels(Isolation())["pod-security.kubernetes.io/audit"] == "baseline"


def test_members_have_no_permission_that_bypasses_the_isolation() -> None:
    role = next(team_object for team_object in team_objects(VISION) if team_object["kind"] == "Role")
    may_change = {
        resource
        for rule in role["rules"]
        if {"*", "create", "update", "patch"}.intersection(rule["verbs"])
        for resource in rule["resources"]
    }
    assert may_change == {
        "configmaps",
        "hyperpodpytorchjobs",
        "hyperpodpytorchjobs/status",
        "jobs",
        "pods/exec",
        "pods/portforward",
        "pytorchjobs",
        "pytorchjobs/status",
        "secrets",
    }


# ---- jobs ----

EXAMPLES = sorted(path.relative_to(ROOT) for path in [ROOT / "hyperpod.yaml", *(ROOT / "examples").glob("*.yaml")])


def _in_team(job: Job, cluster: Cluster) -> Team:
    types = [part.instance_type for part in job.parts if part.instance_type]
    return Team.model_validate({"name": "any", "quota": [{"instance_type": item, "count": 1} for item in types]})


def test_the_jobs_of_every_example_are_admitted() -> None:
    admitted = 0
    for example in EXAMPLES:
        platform = load(ROOT / example).platform
        if platform is None:  # the closed example requires its vendored chart
            continue
        for job in platform.completed_jobs:
            team = _in_team(job, platform.cluster)
            for part in job.parts:
                template = {"metadata": {}, **pod_template(job, part)}
                assert answers(pods_policy(team, platform.cluster), template) == [], f"{example}: {job.name}"
                admitted += 1
    assert admitted >= 5
    print(f"{admitted} replica specs of the examples' jobs are admitted")


def test_a_job_that_the_cluster_would_reject_is_a_finding() -> None:
    job = Job(name="a", image="b", instance_type=P5, team="vision", host_ipc=True)
    (problem,) = refused_job(job, GOVERNANCE, CLUSTER)
    assert problem.message == "violates the isolation of the team vision: host-ipc"
    ordinary = Job(name="a", image="b", instance_type=P5, team="vision")
    assert list(refused_job(ordinary, GOVERNANCE, CLUSTER)) == []
    queued = Job(name="a", image="b", team="vision")
    assert list(refused_job(queued, GOVERNANCE, CLUSTER)) == [], "Kueue adds the node selector of the quota"


# ---- in the stacks ----


@pytest.mark.slow
def test_the_isolation_is_created_before_the_permissions(assemble: Callable[[str], Assembly]) -> None:
    shared = assemble("examples/teams.yaml")
    resources = shared.resources("Custom::HyperPodKubernetesObjects")
    for team in ("vision", "speech", "interns"):
        created = {name: resource for name, resource in resources.items() if f"Team{team}" in name}
        rights = next(item for name, item in created.items() if f"Team{team}Rights" in name)
        needs = {name for name in created if "Isolation" in name or "PodSecurity" in name}
        assert len(needs) == 2
        assert needs <= set(rights["DependsOn"])


def test_network_policies_are_enabled_where_teams_need_them(assemble: Callable[[str], Assembly]) -> None:
    def cni(config: str) -> Any:
        addons = assemble(config).resources("AWS::EKS::Addon").values()
        (found,) = [resource["Properties"] for resource in addons if resource["Properties"]["AddonName"] == "vpc-cni"]
        return found.get("ConfigurationValues", "")

    assert '"enableNetworkPolicy":"true"' in cni("examples/teams.yaml")
    assert "enableNetworkPolicy" not in cni("hyperpod.yaml")
