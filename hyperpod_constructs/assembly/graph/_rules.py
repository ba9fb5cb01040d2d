"""The order rules, as data: what must be complete before what, and why, on creation and on deletion.

CloudFormation creates in any order that the dependency graph allows and deletes in the reverse, so each rule is proved
once, by reachability.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hyperpod_constructs.assembly.graph import _keys as k
from hyperpod_constructs.assembly.graph import _selectors as s
from hyperpod_constructs.assembly.graph._keys import ANY, KeysOf
from hyperpod_constructs.assembly.graph._model import Resource
from hyperpod_constructs.assembly.graph._recognise import Keys, Templates
from hyperpod_constructs.assembly.graph._selectors import Selector


@dataclass(frozen=True)
class OrderRule:
    """`first` is complete before `then` starts; `then` is gone before `first` is deleted.

    A pair is two resources that share a key of `first_keys` and `then_keys`; with `per_cluster` they belong to the same
    EKS cluster as well. With a `gate`, some resource that it recognises has to lie between the two.
    """

    id: str
    first: Selector
    then: Selector
    why: str
    on_deletion: str
    first_keys: KeysOf = k.any_key
    then_keys: KeysOf = k.any_key
    per_cluster: bool = True
    gate: Selector | None = None

    def pairs(self, templates: Templates) -> Iterator[tuple[Resource, Resource]]:
        """Every pair of resources of `templates` that the rule is about."""
        by_key: dict[tuple[str, str], list[Resource]] = {}
        for first in self.first.of(templates):
            keys = self.first_keys(templates, first)
            for scope in self._scopes(templates, first) if keys else ():
                for key in keys | ANY:
                    by_key.setdefault((scope, key), []).append(first)
                if "*" in keys:
                    by_key.setdefault((scope, "any"), []).append(first)
        if not by_key:
            return
        for then in self.then.of(templates):
            keys = self.then_keys(templates, then)
            if not keys:
                continue
            found = {
                first.id: first
                for scope in self._scopes(templates, then)
                for key in (keys if "*" in keys else keys | {"any"})
                for first in by_key.get((scope, key), ())
            }
            in_order = sorted(found.values(), key=templates.position)
            yield from ((first, then) for first in in_order if first is not then)

    def _scopes(self, templates: Templates, resource: Resource) -> Keys:
        return templates.clusters(resource) if self.per_cluster else ANY


_NETWORK = (
    ("routes", s.ROUTES, k.own_id, Templates.egress, "a way to ECR, S3 and the AWS APIs"),
    ("endpoints", s.ENDPOINTS, k.values("VpcId"), Templates.vpcs, "the AWS APIs of a closed network, and S3"),
    (
        "security-group-rules",
        s.GROUP_RULES,
        k.values("GroupId"),
        Templates.security_groups,
        "the traffic that they allow",
    ),
)

ORDER_RULES: tuple[OrderRule, ...] = (
    OrderRule(
        id="gateway-before-routes",
        first=s.ATTACHMENTS,
        then=s.ROUTES,
        why="a route to an internet gateway that is not attached yet is refused",
        on_deletion="a gateway can't be detached while a route uses it",
        first_keys=k.values("InternetGatewayId"),
        then_keys=k.values("GatewayId"),
        per_cluster=False,
    ),
    OrderRule(
        id="address-block-before-subnets",
        first=s.BLOCKS,
        then=s.SUBNETS,
        why="a subnet in a secondary block is refused until the VPC has the block",
        on_deletion="a block can't be taken from the VPC while a subnet lies in it",
        first_keys=k.own_id,
        then_keys=k.blocks_around,
        per_cluster=False,
    ),
    *(
        OrderRule(
            id=f"{name}-before-nodes",
            first=selector,
            then=s.NODES,
            why=f"nodes need {what} from their first boot on",
            on_deletion="nodes are drained and deregistered over the network",
            first_keys=first_keys,
            then_keys=then_keys,
            per_cluster=False,
        )
        for name, selector, first_keys, then_keys, what in _NETWORK
    ),
    *(
        OrderRule(
            id=f"{name}-before-handlers",
            first=selector,
            then=s.CUSTOM,
            why=f"a handler in the VPC needs {what}",
            on_deletion="the handler must still reach the API to delete; an unanswered deletion hangs for an hour",
            first_keys=first_keys,
            then_keys=then_keys,
            per_cluster=False,
        )
        for name, selector, first_keys, then_keys, what in _NETWORK
    ),
    OrderRule(
        id="role-policies-before-clusters",
        first=s.NODE_POLICIES,
        then=s.RUNS_AS_ROLE,
        why="who refers to a role waits for the role only: the first nodes would boot without its policies",
        on_deletion="a cluster that lost its policies can't clean up after itself",
        first_keys=Templates.attached_roles,
        then_keys=Templates.roles,
        per_cluster=False,
    ),
    OrderRule(
        id="role-policies-before-addons",
        first=s.POLICIES,
        then=s.ADDONS,
        why="the add-on's pods would start without permissions",
        on_deletion="the add-on's controllers clean up with these permissions",
        first_keys=Templates.attached_roles,
        then_keys=k.addon_roles,
    ),
    OrderRule(
        id="handler-policies-before-custom-resources",
        first=s.HANDLER_POLICIES,
        then=s.CUSTOM,
        why="the first event would find a handler without permissions",
        on_deletion="the handler needs its permissions to delete what it made",
        first_keys=Templates.attached_roles,
        then_keys=Templates.handler_roles,
        per_cluster=False,
    ),
    OrderRule(
        id="lifecycle-scripts-before-cluster",
        first=s.UPLOADS,
        then=s.HYPERPOD,
        why="a node that finds no lifecycle script fails",
        on_deletion="a node that is replaced during the deletion still reads the scripts",
        first_keys=k.buckets,
        then_keys=k.buckets,
        per_cluster=False,
    ),
    OrderRule(
        id="access-before-objects",
        first=s.ACCESS,
        then=s.IN_CLUSTER,
        why="the API server refuses a caller without an access entry",
        on_deletion="without the entry objects can't be deleted, and are orphaned or block the stack",
    ),
    OrderRule(
        id="control-plane-before-cluster",
        first=s.EKS,
        then=s.HYPERPOD,
        why="the HyperPod cluster is made on the EKS cluster",
        on_deletion="HyperPod goes first; the other way leaves nodes behind that nobody manages",
    ),
    OrderRule(
        id="core-addons-before-cluster",
        first=s.CORE,
        then=s.HYPERPOD,
        why="a node without network plug-in, proxy or pod identity agent never becomes ready",
        on_deletion="draining needs a working node network",
    ),
    OrderRule(
        id="chart-before-cluster",
        first=s.CHART,
        then=s.HYPERPOD,
        why="health monitoring, device plug-ins and job restart must be there when the first node joins",
        on_deletion="nodes go first, so that no agent is missing on one that still works",
    ),
    OrderRule(
        id="restricted-network-before-cluster",
        first=s.NETWORK_COPIES,
        then=s.HYPERPOD,
        why="the ordinary network agent keeps off restricted nodes, so without theirs they never become ready",
        on_deletion="nodes are drained and deregistered over the network",
    ),
    OrderRule(
        id="nodes-before-addons",
        first=s.HYPERPOD,
        then=s.POD_ADDONS,
        gate=s.NODES_READY,
        why="with Continuous provisioning the cluster is InService before a node exists; their pods would stay Pending",
        on_deletion="the add-ons are removed while nodes still run their clean-up",
    ),
    OrderRule(
        id="nodes-before-workloads",
        first=s.HYPERPOD,
        then=s.WORKLOADS,
        gate=s.NODES_READY,
        why="with Continuous provisioning the cluster is InService before a node exists",
        on_deletion="jobs and releases end while their nodes are there",
    ),
    OrderRule(
        id="originals-before-copies",
        first=s.COPIED_ADDONS,
        then=s.COPIES,
        why="a copy is made of what is there; fields are set on what is there",
        on_deletion="copies go, and fields are given back, while the add-on's objects are there",
        first_keys=k.brought_objects,
        then_keys=k.borrowed_objects,
    ),
    OrderRule(
        id="dns-servers-before-policy",
        first=s.DNS_COPIES,
        then=s.DNS_POLICY,
        gate=s.DNS_READY,
        why="once DNS stays on the node, a node without a server of its own resolves nothing",
        on_deletion="the policy is given back before the servers go",
    ),
    OrderRule(
        id="cert-manager-before-webhooks",
        first=s.CERT_MANAGER,
        then=s.WEBHOOK_ADDONS,
        gate=s.CERT_MANAGER_READY,
        why="their webhooks need certificates; an active add-on is not yet a serving one",
        on_deletion="their webhooks serve until they are removed",
    ),
    OrderRule(
        id="pod-identity-agent-before-consumers",
        first=s.AGENT,
        then=s.IDENTITY_ADDONS,
        why="pods that start before the agent get no credentials",
        on_deletion="their clean-up needs credentials",
        then_keys=k.identity,
    ),
    OrderRule(
        id="association-before-addon",
        first=s.ASSOCIATIONS,
        then=s.ADDONS,
        why="pods get credentials when they start or not at all, and some versions refuse an inline association",
        on_deletion="the add-on cleans up with the association's role",
        first_keys=k.accounts_of_association,
        then_keys=k.accounts_of_addon,
    ),
    OrderRule(
        id="prerequisite-addons-first",
        first=s.ADDONS,
        then=s.ADDONS,
        why="the add-on is documented to need the other",
        on_deletion="what uses a driver or a server goes before it",
        first_keys=lambda templates, resource: frozenset({s.addon_name(resource)}),
        then_keys=k.prerequisites,
    ),
    OrderRule(
        id="governance-before-quotas",
        first=s.GOVERNANCE,
        then=s.GOVERNED,
        gate=s.GOVERNANCE_READY,
        why="creating them calls Kueue's webhook, which an active add-on need not serve yet",
        on_deletion="quotas and queues are removed by the add-on's controllers",
    ),
    OrderRule(
        id="governance-before-addons",
        first=s.GOVERNANCE,
        then=s.HYPERPOD_ADDONS,
        gate=s.GOVERNANCE_READY,
        why="Kueue's webhook intercepts pods outside kube-system; while it starts, they are refused",
        on_deletion="the other add-ons' pods end before the webhook goes",
    ),
    OrderRule(
        id="cluster-before-quotas",
        first=s.HYPERPOD,
        then=s.GOVERNED,
        why="they are made on the HyperPod cluster",
        on_deletion="DeleteCluster fails while a quota or a scheduler config is attached",
    ),
    OrderRule(
        id="scheduler-config-before-quotas",
        first=s.SCHEDULER,
        then=s.QUOTAS,
        why="priority classes are there before the first team",
        on_deletion="teams go before the policy that they share",
    ),
    OrderRule(
        id="csi-driver-before-volumes",
        first=s.CSI_DRIVERS,
        then=s.VOLUMES,
        why="a volume can't be provisioned or mounted without its driver",
        on_deletion="only the driver can release a volume; claims that outlive it hang on their finalizer",
        first_keys=k.driver_of_addon,
        then_keys=k.drivers,
    ),
    OrderRule(
        id="volumes-before-claims",
        first=s.VOLUMES,
        then=s.CLAIMS,
        why="a claim binds to the volume or class it names",
        on_deletion="a volume is protected until its claim is gone",
        first_keys=k.volumes,
        then_keys=k.claimed_volumes,
    ),
    OrderRule(
        id="namespace-before-contents",
        first=s.NAMESPACES,
        then=s.OBJECTS_ALL,
        why="an object in a namespace that is not there is refused",
        on_deletion="deleting a namespace deletes what is in it, behind CloudFormation's back",
        first_keys=k.made_namespaces,
        then_keys=k.used_namespaces,
    ),
    OrderRule(
        id="parts-before-jobs",
        first=s.JOB_PARTS,
        then=s.JOB_OBJECTS,
        why="a job's pods wait or fail without the claims, accounts and queues of its namespace",
        on_deletion="a claim in use is not released; a running job loses its queue",
        first_keys=k.part_namespaces,
        then_keys=k.job_namespaces,
    ),
    OrderRule(
        id="quotas-before-contents",
        first=s.QUOTAS,
        then=s.OBJECTS_ALL,
        why="a team's namespace comes with its quota: rights and claims before it are refused",
        on_deletion="rights and claims are removed while their namespace is there",
        first_keys=k.governed_namespaces,
        then_keys=k.used_namespaces,
    ),
    OrderRule(
        id="quotas-before-jobs",
        first=s.GOVERNED,
        then=s.JOB_OBJECTS,
        why="the team's namespace and queue come with its quota",
        on_deletion="a quota's queues go when no job is in them",
        first_keys=k.governed_namespaces,
        then_keys=k.queues,
    ),
    OrderRule(
        id="operator-before-jobs",
        first=s.OPERATOR,
        then=s.HYPERPOD_JOBS,
        gate=s.OPERATOR_READY,
        why="the kind HyperPodPyTorchJob and its webhook come with the operator",
        on_deletion="only the operator takes the finalizers off a job",
    ),
    OrderRule(
        id="chart-before-kubeflow-jobs",
        first=s.CHART,
        then=s.KUBEFLOW_JOBS,
        why="the kind PyTorchJob and its operator come with the dependency chart",
        on_deletion="only the operator cleans up a job's pods",
    ),
)
"""Every rule, in the order of a deployment."""
