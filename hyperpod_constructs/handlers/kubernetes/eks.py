"""The ``Connection`` to an EKS cluster. Logs and messages contain no tokens or credentials."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..shared.clock import Clock
from ..shared.eks import ClusterAccess, ClusterNotReady, cluster_access
from .errors import ApiError

TOKEN_LIFE_SECONDS = 900.0
RENEW_BEFORE_SECONDS = 180.0

#: Status codes for transient errors of EKS, such as a new policy of the role that is not effective yet.
_TRANSIENT = {"AccessDeniedException": 403, "UnrecognizedClientException": 403, "ThrottlingException": 429}


def trust(ca_pem: str) -> ssl.SSLContext:
    """Returns TLS settings that trust one cluster's CA only."""
    context = ssl.create_default_context(cadata=ca_pem)
    # Python 3.13 requires key identifiers, which the CA of EKS does not have (kubernetes-client/python#2394).
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def reach(access: Callable[[], ClusterAccess]) -> ClusterAccess:
    """Connects to a cluster. Raises ``ClusterGone``; ``ApiError`` for transient errors."""
    try:
        return access()
    except ClusterNotReady as error:
        raise ApiError(503, "NoEndpoint", str(error)) from None
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _TRANSIENT:
            raise ApiError(_TRANSIENT[code], code, str(error)) from None
        raise


class EksConnection:
    """The connection to one EKS cluster. Raises ``ClusterGone``; ``ApiError`` if a retry may help."""

    def __init__(self, session: Any, cluster_name: str, clock: Clock) -> None:
        self._clock = clock
        self._token: str | None = None
        self._created_at = 0.0
        self._access = reach(lambda: cluster_access(cluster_name, session=session))
        self.endpoint: str = self._access.endpoint
        self.ssl_context: ssl.SSLContext | None = trust(base64.b64decode(self._access.certificate_authority).decode())

    def headers(self) -> Mapping[str, str]:
        """Returns the header with the bearer token, which is renewed three minutes before it expires."""
        if (
            self._token is None
            or self._clock.monotonic() > self._created_at + TOKEN_LIFE_SECONDS - RENEW_BEFORE_SECONDS
        ):
            try:
                self._token, self._created_at = self._access.make_token(), self._clock.monotonic()
            except (BotoCoreError, ClientError) as error:
                raise ApiError(0, "NoToken", f"a token for the API server could not be created: {error}") from None
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> None:
        """Discards the token; the next request creates a new one."""
        self._token = None

    def __repr__(self) -> str:
        return f"EksConnection({self._access.name!r})"
