"""The base class of all EKS add-ons: version, configuration, order and readiness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aws_cdk import CfnTag, Duration, Fn, Stack, Token
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from constructs import Construct, IDependable

from ...core import catalog
from ...core.overlay import overlay
from ...core.spec import ADDON_NAMES, CORE, PREREQUISITES, Addon, Addons, configuration_of
from ...core.spec.base import is_token
from ..arguments import checked
from ..kubernetes import KubernetesWait, addon_active, deployment_available
from ..late import late
from ..validation import ensure_arns

if TYPE_CHECKING:
    from ...core.spec import Observability
    from ..interfaces import EksCluster, IHyperPodCluster


class EksAddon(Construct):
    """An EKS add-on with the catalog's version for the Kubernetes version, unless the settings specify one.

    `key` is its key under `addons:` in the config, `after` its dependencies, `defaults` the library's configuration
    values. The typed fields of the settings are merged over them, and `configuration` of the settings over both. Create
    other EKS add-ons with `aws_eks_v2.CfnAddon`, after `cluster.nodes_ready`.

    Raises:
        UnknownName: the key is not that of an add-on.
    """

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        key: str,
        eks_cluster: EksCluster,
        settings: Addon | Observability | None = None,
        defaults: Mapping[str, Any] | None = None,
        after: Sequence[IDependable] = (),
        service_account_role_arn: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, id)
        if key not in ADDON_NAMES:
            reason = "its key must be one of `addons` in a config; use aws_eks_v2.CfnAddon for others"
            raise catalog.UnknownName("EKS add-on", key, catalog.suggest(key, ADDON_NAMES), reason)
        settings = settings or getattr(Addons.model_validate({key: {}}), key)
        ensure_settings(self, key, settings)
        self.key = key
        self.addon_name = ADDON_NAMES[key]
        self.eks_cluster = eks_cluster
        eks_cluster.kubernetes.parts.add_addon(key, settings, self)
        self.version = settings.version or known_version(self.addon_name, eks_cluster.kubernetes_version)
        # objects of core add-ons are retained on deletion: the cluster requires them until it is deleted
        preserve = settings.preserve_on_delete if settings.preserve_on_delete is not None else key in CORE
        self._settings_values = overlay(overlay(defaults or {}, configuration_of(settings)), settings.configuration)
        self.resource = eks.CfnAddon(
            self,
            "Resource",
            cluster_name=eks_cluster.cluster_name,
            addon_name=self.addon_name,
            addon_version=self.version,
            configuration_values=self._configuration(),
            resolve_conflicts=settings.resolve_conflicts,
            preserve_on_delete=True if preserve else None,
            service_account_role_arn=service_account_role_arn,
            tags=[CfnTag(key=k, value=v) for k, v in tags.items()] if tags else None,
        )
        self.resource.node.add_dependency(*after)

    @property
    def fingerprint(self) -> str:
        """A text that changes with the add-on's version and configuration."""
        # other constructs may still set defaults
        parts = late(lambda: Fn.join(" ", [self.version or "default", self.resource.configuration_values or "{}"]))
        return Token.as_string(parts)

    def set_default(self, key: str, value: Any) -> None:
        """Sets a configuration value with lower precedence than the settings; mappings are merged."""
        self._settings_values = overlay({key: value}, self._settings_values)
        self.resource.configuration_values = self._configuration()

    def _configuration(self) -> str | None:
        return Stack.of(self).to_json_string(self._settings_values) if self._settings_values else None

    def wait_until_ready(self, *, deployments: Sequence[str] = (), timeout: Duration | None = None) -> KubernetesWait:
        """Waits until the add-on is ACTIVE (CloudFormation accepts DEGRADED) and `deployments` are available.

        `deployments` are `namespace/name`. Returns the last wait, which is the add-on's readiness.
        """
        timeout = timeout or Duration.minutes(15)
        wait = KubernetesWait(
            self,
            "Active",
            kubernetes=self.eks_cluster.kubernetes,
            condition=addon_active(self.addon_name),
            timeout=timeout,
            rerun_on=self.version,
        )
        wait.node.add_dependency(self.resource)
        for deployment in deployments:
            namespace, name = deployment.split("/")
            next_wait = KubernetesWait(
                self,
                f"{name}Available",
                kubernetes=self.eks_cluster.kubernetes,
                condition=deployment_available(namespace, name),
                timeout=timeout,
                rerun_on=self.version,
            )
            next_wait.node.add_dependency(wait)
            wait = next_wait
        return wait


class NodeAddon(EksAddon):
    """An add-on whose pods require nodes, with a milestone of its key for resources that require it.

    It is created after the nodes are ready, and after DNS, its prerequisites in the catalog, and task governance, whose
    webhook receives every pod and rejects pods while it starts.
    """

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        key: str,
        cluster: IHyperPodCluster,
        after: Sequence[IDependable] = (),
        **options: Any,
    ) -> None:
        super().__init__(
            scope,
            id,
            key=key,
            eks_cluster=cluster.eks_cluster,
            after=[cluster.nodes_ready, *(cluster.milestone(need) for need in _before(key)), *after],
            **options,
        )
        self.cluster = cluster
        cluster.milestone(key).add(self)

    def pod_identity(self, role: iam.IRole, service_account: str) -> None:
        """Associates a role with a service account of the add-on, before the add-on starts its pods.

        The association is a separate resource: some add-on versions reject an inline one.
        """
        association = eks.CfnPodIdentityAssociation(
            self,
            f"PodIdentity-{service_account}",
            cluster_name=self.eks_cluster.cluster_name,
            namespace=catalog.addon(self.addon_name).namespace,
            service_account=service_account,
            role_arn=role.role_arn,
        )
        association.node.add_dependency(role, self.eks_cluster.ready)
        self.resource.node.add_dependency(association)

    def wait_for_deployments(self, *names: str) -> KubernetesWait:
        """Waits until the add-on is ACTIVE and these deployments of its namespace are available. Default: the catalog's."""
        fact = catalog.addon(self.addon_name)
        return self.wait_until_ready(deployments=[f"{fact.namespace}/{name}" for name in names or fact.deployments])


def _before(key: str) -> list[str]:
    """Returns the keys of the add-ons that are created before an add-on that requires nodes.

    >>> _before("training_operator")
    ['coredns', 'cert_manager', 'task_governance']
    """
    if key == "coredns":
        return []
    needs = list(PREREQUISITES.get(key, ()))
    if key == "task_governance":
        needs.append("cert_manager")
    elif key != "cert_manager":
        needs.append("task_governance")
    return ["coredns", *needs]


def ensure_settings(scope: Construct, key: str, settings: object) -> None:
    """Rejects settings of an add-on with an invalid ARN."""
    ensure_arns(scope, addons=Addons().model_copy(update={key: settings}))


def known_version(addon_name: str, kubernetes_version: str | None) -> str | None:
    """Returns the catalog's version of an add-on for a Kubernetes version; None means that EKS chooses.

    >>> known_version("amazon-sagemaker-hyperpod-training-operator", "1.35")
    'v1.3.0-eksbuild.1'
    """
    addon = catalog.find_addon(addon_name)
    known = kubernetes_version and not is_token(kubernetes_version)
    version = addon.version_for(str(kubernetes_version)) if addon and known else None
    return version.version if version else None
