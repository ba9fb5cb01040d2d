"""The connection to one cluster, for helm and for other requests, with a new token for each call."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..kubernetes.client import ApiClient
from ..kubernetes.eks import trust
from ..kubernetes.timing import Deadline
from ..shared.clock import Clock
from ..shared.eks import ClusterAccess
from .binary import Helm


class ClusterHelm:
    """Helm with a connection to one cluster; the kubeconfig is a private file.

    Attributes:
        seconds_left: remaining time of the function.
        api: client of the same API server, for requests that helm does not support.
    """

    def __init__(self, helm: Helm, access: ClusterAccess, work: Path) -> None:
        self._helm = helm
        self._access = access
        self._file = work / "kubeconfig"
        self.seconds_left = helm.seconds_left
        self.api = ApiClient(_Bearer(access), Deadline.after(Clock(), helm.seconds_left()))

    def run(self, arguments: Sequence[str], /) -> str:
        """Returns helm's output; raises HelmError."""
        cluster = {"server": self._access.endpoint, "certificate-authority-data": self._access.certificate_authority}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "eks", "cluster": {key: value for key, value in cluster.items() if value}}],
            "users": [{"name": "us", "user": {"token": self._access.make_token()}}],
            "contexts": [{"name": "here", "context": {"cluster": "eks", "user": "us"}}],
            "current-context": "here",
        }
        self._file.touch(mode=0o600)
        self._file.write_text(json.dumps(config))
        try:
            return self._helm.run([*arguments, f"--kubeconfig={self._file}"])
        finally:
            self._file.unlink()


class _Bearer:
    """A `Connection` that creates a token for each request."""

    def __init__(self, access: ClusterAccess) -> None:
        self._access = access
        self.endpoint = access.endpoint
        authority = base64.b64decode(access.certificate_authority).decode()
        self.ssl_context: ssl.SSLContext | None = trust(authority) if authority else None

    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._access.make_token()}"}

    def renew(self) -> None:
        """Does nothing: each request has a new token."""
