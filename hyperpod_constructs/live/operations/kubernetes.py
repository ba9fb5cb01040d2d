"""Connections to a cluster's Kubernetes API: by kubeconfig, or directly to an EKS cluster by name.

The `kubernetes` client provides kubeconfig, TLS, client certificates and proxies. This module sends the requests, whose
paths are known only at run time (kinds of job, Kueue, logs line by line): the client supports such paths only with its
dynamic client, which first reads the discovery documents of the whole cluster.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
PAGE = "500"


class KubernetesError(Exception):
    """Raised if the API server rejects a request or is not reachable.

    Attributes:
        status: HTTP status; 0 without a response.
        reason: such as `NotFound` or `Forbidden`.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def cure(self) -> str:
        """The fix for the user; empty if unknown."""
        return {
            0: "Check the network, VPN and the endpoint: a private endpoint is reachable only from the VPC.",
            401: "The cluster rejected these credentials: run `hyperpod context set CLUSTER`, or renew them.",
            403: "Request an access entry with more permissions in the cluster (eks.access in the config).",
            404: "Check the name and namespace with `hyperpod jobs list -A`.",
        }.get(self.status, "")


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """Address and credentials of an API server."""

    host: str
    pool: urllib3.PoolManager
    headers: Mapping[str, str]


class Kubernetes:
    """Requests to one API server; credentials are renewed when it rejects them."""

    def __init__(self, find_endpoint: Callable[[], ApiEndpoint]) -> None:
        self._find_endpoint = find_endpoint
        self._endpoint: ApiEndpoint | None = None

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Returns the decoded response.

        Raises:
            KubernetesError: the request was rejected, or there was no response.
        """
        response = self._send(method, path, query, body, content_type, stream=False)
        answer: dict[str, Any] = json.loads(response.data) if response.data else {}
        return answer

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Returns an object or one page of a list."""
        return self.request("GET", path, query=query)

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Returns all pages of a list."""
        found: list[dict[str, Any]] = []
        page = {"limit": PAGE, **query}
        while True:
            answer = self.get(path, **page)
            found += answer.get("items") or []
            token = (answer.get("metadata") or {}).get("continue")
            if not token:
                return found
            page["continue"] = token

    def patch(self, path: str, body: Any) -> dict[str, Any]:
        """Merges a patch into an object."""
        return self.request("PATCH", path, body=body, content_type="application/merge-patch+json")

    def lines(self, path: str, **query: str) -> Iterator[str]:
        """Yields a text line by line, as it arrives."""
        response = self._send("GET", path, query, None, "", stream=True)
        rest = b""
        for part in response.stream(2**14):
            *whole, rest = (rest + part).split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)
        if rest:
            yield rest.decode(errors="replace")

    def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, content_type: str, *, stream: bool
    ) -> urllib3.BaseHTTPResponse:
        for attempt in (1, 2):
            endpoint = self._endpoint = self._endpoint or self._find_endpoint()
            headers = {**endpoint.headers, "Accept": "application/json, */*", "User-Agent": "hyperpod-constructs"}
            if body is not None:
                headers["Content-Type"] = content_type
            url = f"{endpoint.host}{path}" + (f"?{urlencode(query)}" if query else "")
            timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=None if stream else READ_SECONDS)
            data = None if body is None else json.dumps(body).encode()
            try:
                response = endpoint.pool.request(
                    method, url, body=data, headers=headers, timeout=timeout, retries=False, preload_content=not stream
                )
            except urllib3.exceptions.HTTPError as error:
                what = str(error).rpartition(": ")[2] or type(error).__name__
                raise KubernetesError(0, "Unreachable", f"no response from {endpoint.host}: {what}") from error
            if response.status == 401 and attempt == 1:
                self._endpoint = None
                continue
            if response.status >= 300:
                raise _refusal(response.status, response.data if not stream else response.read())
            return response
        raise AssertionError("unreachable")


def _refusal(status: int, data: bytes) -> KubernetesError:
    try:
        answer = json.loads(data)
        return KubernetesError(status, answer.get("reason") or "Error", answer.get("message") or str(status))
    except (ValueError, AttributeError):
        return KubernetesError(status, "Error", data[:300].decode(errors="replace").strip() or f"HTTP status {status}")


def by_kubeconfig(context: str | None = None) -> Kubernetes:
    """Connects with the kubeconfig in KUBECONFIG or `~/.kube/config`; exec plugins run at the first request.

    Raises:
        KubernetesError: the kubeconfig is invalid, the context does not exist, or its plugin failed.
    """
    # the client reads KUBECONFIG only at import
    return Kubernetes(lambda: endpoint_of(os.environ.get("KUBECONFIG") or "~/.kube/config", context))


def endpoint_of(file: str, context: str | None = None) -> ApiEndpoint:
    """Address and credentials of a context in a kubeconfig; default: the current context.

    Raises:
        KubernetesError: the kubeconfig is invalid, the context does not exist, or its plugin failed.
    """
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        config.load_kube_config(file, context, configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        raise KubernetesError(0, "NoKubeconfig", f"no usable kubeconfig: {error}") from error
    bearer = configuration.get_api_key_with_prefix("authorization") or configuration.get_api_key_with_prefix(
        "BearerToken"
    )
    return ApiEndpoint(configuration.host, _pool(configuration), {"Authorization": bearer} if bearer else {})


@dataclass(frozen=True, slots=True)
class Signing:
    """The part of a boto3 session that is required to sign tokens, with an existing STS client."""

    sts: Any

    def client(self, _: str) -> Any:
        """The client."""
        return self.sts


def by_eks(cluster: Mapping[str, Any], session: Any) -> Kubernetes:
    """Connects directly to an EKS cluster, without a kubeconfig.

    Args:
        cluster: from `eks:DescribeCluster`.
        session: signs the tokens: a boto3 session in the cluster's region, or `Signing`.
    """
    from ...handlers.kubernetes.eks import trust
    from ...handlers.shared.eks import token

    certificate = base64.b64decode(cluster["certificateAuthority"]["data"]).decode()

    def find_endpoint() -> ApiEndpoint:
        from kubernetes import client

        bearer = token(cluster["name"], session=session)
        pool = _pool(client.Configuration(host=cluster["endpoint"]), trust(certificate))
        return ApiEndpoint(cluster["endpoint"], pool, {"Authorization": f"Bearer {bearer}"})

    return Kubernetes(find_endpoint)


def _pool(configuration: Any, tls: ssl.SSLContext | None = None) -> urllib3.PoolManager:
    """The connection pool of the `kubernetes` client, with its certificates, TLS server name and proxy."""
    from kubernetes.client.rest import RESTClientObject

    pool: urllib3.PoolManager = RESTClientObject(configuration).pool_manager
    if configuration.host.startswith("https"):
        if tls is None:
            needed = ssl.CERT_REQUIRED if configuration.verify_ssl else ssl.CERT_NONE
            tls = urllib3.util.create_urllib3_context(cert_reqs=needed)
            # Python 3.13 requires key identifiers in certificates, which EKS's CA lacks
            # (kubernetes-client/python#2394).
            tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
            if not configuration.ssl_ca_cert:
                tls.load_default_certs()
        pool.connection_pool_kw["ssl_context"] = tls
    return pool
