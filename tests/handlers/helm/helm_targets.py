"""API servers for releases: the fake one, or the one in KUBECONFIG."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from helm_api_server import HelmApiServer

from hyperpod_constructs.handlers.shared.eks import ClusterAccess


@dataclass
class Cluster:
    """An API server that tests may use, one namespace, and functions to read it."""

    access: ClusterAccess
    namespace: str
    data_of: Callable[[str], dict[str, str] | None]
    """A ConfigMap's data by its name, None when there is none."""
    now: Callable[[], float] = time.time
    """The API server's clock."""


def access_to(server: HelmApiServer) -> ClusterAccess:
    authority = base64.b64encode(server.ca_pem.encode()).decode()
    return ClusterAccess("research", server.url, authority, lambda: server.token)


def real_cluster() -> Iterator[Cluster]:
    """A namespace of the cluster in KUBECONFIG, with a token of a service account, which is all that helm gets on EKS."""
    from kubernetes import client, config

    config.load_kube_config()
    core, rbac = client.CoreV1Api(), client.RbacAuthorizationV1Api()
    name = f"hyperpod-helm-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    core.create_namespaced_service_account(name, {"metadata": {"name": "helm"}})
    rbac.create_cluster_role_binding(
        {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "helm", "namespace": name}],
        }
    )
    token = core.create_namespaced_service_account_token("helm", name, {"spec": {}}).status.token
    settings = client.Configuration.get_default_copy()
    authority = base64.b64encode(Path(settings.ssl_ca_cert).read_bytes()).decode() if settings.ssl_ca_cert else ""

    def data_of(config_map: str) -> dict[str, str] | None:
        try:
            return core.read_namespaced_config_map(config_map, name).data or {}
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise

    try:
        yield Cluster(ClusterAccess("research", settings.host, authority, lambda: token), name, data_of)
    finally:
        rbac.delete_cluster_role_binding(name)
        core.delete_namespace(name)
