"""cdk-nag's AwsSolutions rules for a platform, without the findings that have an accepted reason.

cdk-nag requires an acknowledgement for every single finding, by an id that contains logical ids, which cannot be written
in advance. Here a finding is accepted by rule, by the class of the construct that creates the resource, and by the
detail, each with its reason; every other finding fails the synthesis.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import jsii
from aws_cdk import (
    App,
    IPolicyValidationContext,
    IPolicyValidationPlugin,
    PolicyValidationPluginReport,
    PolicyViolatingResource,
    PolicyViolation,
    Stack,
)
from aws_cdk import aws_eks as eks_v1
from aws_cdk import aws_eks_v2 as eks_v2
from aws_cdk import aws_iam as iam
from constructs import IConstruct

from .justification import Justified
from .justified import JUSTIFIED


@jsii.implements(IPolicyValidationPlugin)
class JustifiedNag:
    """A validation plugin: `Validations.of(app).add_plugins(JustifiedNag(app))`.

    Args:
        scope: the app or stage.
        more: additional findings that your app accepts.
    """

    def __init__(self, scope: IConstruct, *, more: Sequence[Justified] = ()) -> None:
        from cdk_nag import AwsSolutionsChecks

        self._scope = scope
        self._nag = AwsSolutionsChecks(scope)
        self._justified = (*JUSTIFIED, *more)
        self._found: dict[str, IConstruct | None] = {}

    @property
    def name(self) -> str:
        """As `IPolicyValidationPlugin`."""
        return "AwsSolutions"

    @property
    def version(self) -> str | None:
        """As `IPolicyValidationPlugin`."""
        return None

    @property
    def rule_ids(self) -> list[str] | None:
        """As `IPolicyValidationPlugin`."""
        return None

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        """Returns findings without an accepted reason, as CDK's report."""
        violations = [
            PolicyViolation(
                rule_name=rule_name,
                description=description,
                severity=severity,
                violating_resources=[PolicyViolatingResource(construct_path=path, locations=[])],
            )
            for rule_name, path, description, severity in self._unjustified()
        ]
        return PolicyValidationPluginReport(success=not violations, violations=violations)

    def findings(self) -> list[str]:
        """Returns findings without an accepted reason, one line each."""
        return [f"{rule_name} at {path}: {description}" for rule_name, path, description, _ in self._unjustified()]

    def _unjustified(self) -> Iterator[tuple[str, str, str, str | None]]:
        for rule_name, path, description, severity in self._violations():
            if not any(self._covers(justified, rule_name, path) for justified in self._justified):
                yield rule_name, path, description, severity

    def _violations(self) -> Iterator[tuple[str, str, str, str | None]]:
        for violation in self._nag.validate_scope(self._scope).violations:
            for resource in violation.violating_resources:
                yield violation.rule_name, resource.construct_path or "", violation.description, violation.severity
        for construct in self._scope.node.find_all():
            if isinstance(construct, eks_v2.CfnCluster):
                yield from _eks_violations(construct)

    def _covers(self, justified: Justified, rule_name: str, path: str) -> bool:
        rule, _, found = rule_name.removesuffix("]").partition("[")
        if rule != justified.rule or not re.fullmatch(justified.finding, found):
            return False
        resource = self._at(path)
        if resource is None or not any(
            re.fullmatch(justified.below, prefix) for prefix in _paths_below(resource, justified)
        ):
            return False
        if found == "Resource::*" and not actions_on_any_resource(resource) <= justified.actions:
            return False
        justified.used.add(path)
        return True

    def _at(self, path: str) -> IConstruct | None:
        """The construct at a path; None if there is none."""
        if path not in self._found:
            current: IConstruct | None = self._scope.node.root
            for id in filter(None, path.split("/")):
                current = current.node.try_find_child(id) if current is not None else None
            self._found[path] = current
        return self._found[path]


def _paths_below(resource: IConstruct, justified: Justified) -> Iterator[str]:
    """Returns paths of a resource below constructs of the class that can have created it: the innermost, or a sibling."""
    path = resource.node.path
    for scope in reversed(resource.node.scopes):
        if justified.sibling:
            for child in scope.node.children:
                if isinstance(child, justified.made_by) and path.startswith(child.node.path):
                    yield path.removeprefix(child.node.path)
        elif isinstance(scope, justified.made_by):
            yield path.removeprefix(scope.node.path).removeprefix("/")
            return


def actions_on_any_resource(resource: IConstruct) -> set[str]:
    """Returns the actions that a role's or policy's statements allow on the resource `*`."""
    return {
        action
        for statement in statements_of(resource)
        if statement["Effect"] == "Allow" and "*" in as_list(statement.get("Resource", []))
        for action in as_list(statement["Action"])
    }


def statements_of(resource: IConstruct) -> list[dict[str, Any]]:
    """Returns the statements of an IAM policy, or of a role's inline policies, as in the template."""
    documents: list[Any] = []
    if isinstance(resource, iam.CfnPolicy | iam.CfnManagedPolicy):
        documents = [Stack.of(resource).resolve(resource.policy_document)]
    elif isinstance(resource, iam.CfnRole):
        inline = Stack.of(resource).resolve(resource.policies) or []
        documents = [policy.get("policyDocument", policy.get("PolicyDocument")) for policy in inline]
    return [statement for document in documents if document for statement in as_list(document["Statement"])]


def as_list(value: Any) -> list[Any]:
    """A list as it is, or a list of one value."""
    return value if isinstance(value, list) else [value]


def _eks_violations(cluster: eks_v2.CfnCluster) -> Iterator[tuple[str, str, str, str | None]]:
    """Returns findings about an `aws_eks_v2` cluster, which cdk-nag does not support: it checks a copy in `aws_eks`."""
    from cdk_nag import AwsSolutionsChecks

    resolved = Stack.of(cluster).resolve
    network = resolved(cluster.resources_vpc_config)
    with tempfile.TemporaryDirectory() as folder:
        app = App(outdir=folder)
        stack = Stack(app, "Copy")
        eks_v1.CfnCluster(
            stack,
            "Cluster",
            role_arn="arn:aws:iam::111122223333:role/copy",
            resources_vpc_config={
                "subnetIds": ["subnet-copy"],
                **{
                    name: network[name] for name in ("endpointPrivateAccess", "endpointPublicAccess") if name in network
                },
            },
            logging=resolved(cluster.logging),
        )
        report = AwsSolutionsChecks(app).validate_scope(app)
        for violation in report.violations:
            if violation.rule_name.startswith("AwsSolutions-EKS"):
                yield violation.rule_name, cluster.node.path, violation.description, violation.severity


__all__ = ["JUSTIFIED", "Justified", "JustifiedNag"]
