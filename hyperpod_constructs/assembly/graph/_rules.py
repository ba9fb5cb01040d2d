"""The order rules as data: which resources must be complete before others, and why, on creation and on deletion.

CloudFormation creates in any order that the dependency graph allows and deletes in the reverse order, so each rule is
proved once, by reachability.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hyperpod_constructs.assembly.graph import _keys as k
from hyperpod_constructs.assembly.graph import _selectors as s
from hyperpod_constructs.assembly.graph._keys import ANY, KeysOf
from hyperpod_constructs.assembly.graph._model import Resource
from hyperpod_constructs.assembly.graph._recognize import Keys, Templates
from hyperpod_constructs.assembly.graph._selectors import Selector


@dataclass(frozen=True)
class OrderRule:
    """`first` is complete before `then` starts; `then` is deleted before `first`.

    A pair is two resources that share a key of `first_keys` and `then_keys`; with `per_cluster` they also belong to the
    same EKS cluster. With a `gate`, a resource that it selects must be between the two.
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
        """Returns every pair of resources of `templates` that the rule applies to."""
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
    ("routes", s.ROUTES, k.own_id, Templates.egress, "routes to ECR, S3 and the AWS APIs"),
    ("endpoints", s.ENDPOINTS, k.values("VpcId"), Templates.vpcs, "the AWS APIs of a closed network, and S3"),
    (
        "security-group-rules",
        s.GROUP_RULES,
        k.values("GroupId"),
        Templates.security_groups,
        "the traffic that these rules allow",
    ),
)

ORDER_RULES: tuple[OrderRule, ...] = (
    OrderRule(
        id="gateway-before-routes",
        first=s.ATTACHMENTS,
        then=s.ROUTES,
        why="EC2 rejects a route to an internet gateway that is not attached yet",
        on_deletion="a gateway cannot be detached while a route uses it",
        first_keys=k.values("InternetGatewayId"),
        then_keys=k.values("GatewayId"),
        per_cluster=False,
    ),
    OrderRule(
        id="address-block-before-subnets",
        first=s.BLOCKS,
        then=s.SUBNETS,
        why="EC2 rejects a subnet in a secondary CIDR block before the VPC has the block",
        on_deletion="a block cannot be disassociated from the VPC while a subnet uses it",
        first_keys=k.own_id,
        then_keys=k.blocks_around,
        per_cluster=False,
    ),
    *(
        OrderRule(
            id=f"{name}-before-nodes",
            first=selector,
            then=s.NODES,
            why=f"nodes require {what}, from their first boot",
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
            why=f"a handler in the VPC requires {what}",
            on_deletion="the handler must reach the API to delete; an unanswered deletion times out after an hour",
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
        why="a reference to a role does not include its policies: the first nodes would boot without permissions",
        on_deletion="without the policies, a cluster cannot delete its resources",
        first_keys=Templates.attached_roles,
        then_keys=Templates.roles,
        per_cluster=False,
    ),
    OrderRule(
        id="role-policies-before-addons",
        first=s.POLICIES,
        then=s.ADDONS,
        why="the add-on's pods would start without permissions",
        on_deletion="the add-on's controllers require these permissions to clean up",
        first_keys=Templates.attached_roles,
        then_keys=k.addon_roles,
    ),
    OrderRule(
        id="handler-policies-before-custom-resources",
        first=s.HANDLER_POLICIES,
        then=s.CUSTOM,
        why="the handler would receive its first event without permissions",
        on_deletion="the handler requires its permissions to delete what it created",
        first_keys=Templates.attached_roles,
        then_keys=Templates.handler_roles,
        per_cluster=False,
    ),
    OrderRule(
        id="lifecycle-scripts-before-cluster",
        first=s.UPLOADS,
        then=s.HYPERPOD,
        why="a node fails if its lifecycle script is missing",
        on_deletion="a node that is replaced during the deletion still reads the scripts",
        first_keys=k.buckets,
        then_keys=k.buckets,
        per_cluster=False,
    ),
    OrderRule(
        id="access-before-objects",
        first=s.ACCESS,
        then=s.IN_CLUSTER,
        why="the API server rejects a caller without an access entry",
        on_deletion="without the access entry, objects cannot be deleted: they are orphaned or block the stack",
    ),
    OrderRule(
        id="control-plane-before-cluster",
        first=s.EKS,
        then=s.HYPERPOD,
        why="the HyperPod cluster is created on the EKS cluster",
        on_deletion="the reverse order leaves nodes behind that are not managed by a cluster",
    ),
    OrderRule(
        id="core-addons-before-cluster",
        first=s.CORE,
        then=s.HYPERPOD,
        why="a node without network plug-in, proxy or pod identity agent never becomes ready",
        on_deletion="draining requires a working node network",
    ),
    OrderRule(
        id="chart-before-cluster",
        first=s.CHART,
        then=s.HYPERPOD,
        why="the first node requires health monitoring, device plug-ins and job restart",
        on_deletion="the agents are required until the last node is deleted",
    ),
    OrderRule(
        id="restricted-network-before-cluster",
        first=s.NETWORK_COPIES,
        then=s.HYPERPOD,
        why="the standard network agent does not run on restricted nodes, which require one to become ready",
        on_deletion="nodes are drained and deregistered over the network",
    ),
    OrderRule(
        id="nodes-before-addons",
        first=s.HYPERPOD,
        then=s.POD_ADDONS,
        gate=s.NODES_READY,
        why="with Continuous provisioning, a cluster without nodes is InService; the add-ons' pods would stay Pending",
        on_deletion="the add-ons clean up while nodes still run",
    ),
    OrderRule(
        id="nodes-before-workloads",
        first=s.HYPERPOD,
        then=s.WORKLOADS,
        gate=s.NODES_READY,
        why="with Continuous provisioning, a cluster without nodes is InService",
        on_deletion="jobs and releases end while their nodes exist",
    ),
    OrderRule(
        id="originals-before-copies",
        first=s.COPIED_ADDONS,
        then=s.COPIES,
        why="a copy requires its original, and fields are set on an existing object",
        on_deletion="copies are deleted, and fields restored, while the add-on's objects exist",
        first_keys=k.original_objects,
        then_keys=k.existing_objects,
    ),
    OrderRule(
        id="dns-servers-before-policy",
        first=s.DNS_COPIES,
        then=s.DNS_POLICY,
        gate=s.DNS_READY,
        why="when DNS requests are not routed to other nodes, a node without a DNS server cannot resolve names",
        on_deletion="the policy is restored before the servers are deleted",
    ),
    OrderRule(
        id="cert-manager-before-webhooks",
        first=s.CERT_MANAGER,
        then=s.WEBHOOK_ADDONS,
        gate=s.CERT_MANAGER_READY,
        why="their webhooks require certificates; an add-on can be ACTIVE before it is available",
        on_deletion="their webhooks require certificates until the add-ons are deleted",
    ),
    OrderRule(
        id="pod-identity-agent-before-consumers",
        first=s.AGENT,
        then=s.IDENTITY_ADDONS,
        why="pods that start before the agent get no credentials",
        on_deletion="the add-ons require credentials to clean up",
        then_keys=k.identity,
    ),
    OrderRule(
        id="association-before-addon",
        first=s.ASSOCIATIONS,
        then=s.ADDONS,
        why="pods get credentials only when they start, and some versions reject an inline association",
        on_deletion="the add-on requires the association's role to clean up",
        first_keys=k.accounts_of_association,
        then_keys=k.accounts_of_addon,
    ),
    OrderRule(
        id="prerequisite-addons-first",
        first=s.ADDONS,
        then=s.ADDONS,
        why="the documentation lists it as a prerequisite of the add-on",
        on_deletion="add-ons that use a driver or a server are deleted before it",
        first_keys=lambda templates, resource: frozenset({s.addon_name(resource)}),
        then_keys=k.prerequisites,
    ),
    OrderRule(
        id="governance-before-quotas",
        first=s.GOVERNANCE,
        then=s.GOVERNED,
        gate=s.GOVERNANCE_READY,
        why="creating them calls Kueue's webhook, which may not be available yet when the add-on is ACTIVE",
        on_deletion="the add-on's controllers delete quotas and queues",
    ),
    OrderRule(
        id="governance-before-addons",
        first=s.GOVERNANCE,
        then=s.HYPERPOD_ADDONS,
        gate=s.GOVERNANCE_READY,
        why="Kueue's webhook intercepts pods outside kube-system, and rejects them while it starts",
        on_deletion="the pods of the other add-ons end before the webhook is deleted",
    ),
    OrderRule(
        id="cluster-before-quotas",
        first=s.HYPERPOD,
        then=s.GOVERNED,
        why="they are created on the HyperPod cluster",
        on_deletion="DeleteCluster fails while a quota or a scheduler config is attached",
    ),
    OrderRule(
        id="scheduler-config-before-quotas",
        first=s.SCHEDULER,
        then=s.QUOTAS,
        why="priority classes must exist before the first team",
        on_deletion="teams are deleted before the policy that they share",
    ),
    OrderRule(
        id="csi-driver-before-volumes",
        first=s.CSI_DRIVERS,
        then=s.VOLUMES,
        why="a volume cannot be provisioned or mounted without its driver",
        on_deletion="only the driver can release a volume; a claim without it is blocked by its finalizer",
        first_keys=k.driver_of_addon,
        then_keys=k.drivers,
    ),
    OrderRule(
        id="volumes-before-claims",
        first=s.VOLUMES,
        then=s.CLAIMS,
        why="a claim binds to the volume or class that it specifies",
        on_deletion="a volume is protected until its claim is deleted",
        first_keys=k.volumes,
        then_keys=k.claimed_volumes,
    ),
    OrderRule(
        id="namespace-before-contents",
        first=s.NAMESPACES,
        then=s.OBJECTS_ALL,
        why="Kubernetes rejects an object in a namespace that does not exist",
        on_deletion="deleting a namespace deletes its objects, without CloudFormation",
        first_keys=k.created_namespaces,
        then_keys=k.used_namespaces,
    ),
    OrderRule(
        id="parts-before-jobs",
        first=s.JOB_PARTS,
        then=s.JOB_OBJECTS,
        why="a job's pods wait or fail without the claims, service accounts and queues of its namespace",
        on_deletion="a claim in use is not released; a running job loses its queue",
        first_keys=k.part_namespaces,
        then_keys=k.job_namespaces,
    ),
    OrderRule(
        id="quotas-before-contents",
        first=s.QUOTAS,
        then=s.OBJECTS_ALL,
        why="a team's namespace is created with its quota; before that, permissions and claims are rejected",
        on_deletion="permissions and claims are deleted while their namespace exists",
        first_keys=k.governed_namespaces,
        then_keys=k.used_namespaces,
    ),
    OrderRule(
        id="quotas-before-jobs",
        first=s.GOVERNED,
        then=s.JOB_OBJECTS,
        why="the team's namespace and queue are created with its quota",
        on_deletion="the queues of a quota are deleted when they have no jobs",
        first_keys=k.governed_namespaces,
        then_keys=k.queues,
    ),
    OrderRule(
        id="operator-before-jobs",
        first=s.OPERATOR,
        then=s.HYPERPOD_JOBS,
        gate=s.OPERATOR_READY,
        why="the operator installs the kind HyperPodPyTorchJob and its webhook",
        on_deletion="only the operator removes the finalizers of a job",
    ),
    OrderRule(
        id="chart-before-kubeflow-jobs",
        first=s.CHART,
        then=s.KUBEFLOW_JOBS,
        why="the dependency chart installs the kind PyTorchJob and its operator",
        on_deletion="only the operator cleans up a job's pods",
    ),
)
"""Every rule, in the order of a deployment."""
