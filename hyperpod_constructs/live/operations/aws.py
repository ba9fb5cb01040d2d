"""Sessions and clients, and messages for failed requests."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
ATTEMPTS = 5
"""Attempts of one request, with increasing delays (botocore's adaptive mode)."""
CONNECTIONS = 16

_CREDENTIALS = {
    *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound"),
    *("ConfigNotFound", "InvalidConfigError", "MetadataRetrievalError"),
}
_LOGIN = {
    *("SSOTokenLoadError", "UnauthorizedSSOTokenError", "SSOError", "TokenRetrievalError", "LoginError"),
    *("LoginTokenLoadError", "LoginRefreshTokenExpired", "RefreshWithMFAUnsupportedError"),
}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_INVALID = {
    *("InvalidClientTokenId", "UnrecognizedClientException", "InvalidSignatureException", "SignatureDoesNotMatch"),
    *("AuthFailure", "InvalidAccessKeyId", "IncompleteSignature", "MissingAuthenticationToken"),
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403", "Forbidden"}
_THROTTLED = {
    *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException"),
    *(
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        "PriorRequestNotComplete",
        "BandwidthLimitExceeded",
    ),
    *("ProvisionedThroughputExceededException", "TransactionInProgressException", "EC2ThrottledException", "429"),
}
_NOT_FOUND = {"ResourceNotFound", "ResourceNotFoundException", "NotFoundException", "NoSuchEntity"}
_CLOCK = ("Signature expired", "Signature not yet current", "not yet valid")


class FailureCause(StrEnum):
    """The cause of a failed request."""

    CREDENTIALS = "no credentials"
    EXPIRED = "expired or invalid credentials"
    CLOCK = "wrong clock"
    DENIED = "access denied"
    THROTTLED = "throttled"
    NETWORK = "no response"
    REGION = "region not enabled"
    NO_REGION = "no region"
    NOT_FOUND = "not found"
    SERVICE = "service error"


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed request.

    Attributes:
        cause: category of the failure.
        call: IAM action of the request, such as `ec2:DescribeSubnets`.
        message: message of AWS or botocore.
    """

    cause: FailureCause
    call: str
    message: str

    @property
    def cure(self) -> str:
        """The fix for the user."""
        return {
            FailureCause.CREDENTIALS: "Run `aws configure` or `aws sso login`, or set a profile with --profile.",
            FailureCause.EXPIRED: "Renew the credentials, for example with `aws sso login`, and try again.",
            FailureCause.CLOCK: (
                "Synchronize this machine's clock (NTP): AWS rejects requests whose time differs by more than 5 minutes."
            ),
            FailureCause.DENIED: f"Allow {self.call} for this role or user, or use another --profile.",
            FailureCause.THROTTLED: "Try again in a minute.",
            FailureCause.NETWORK: "Check the network, proxy (HTTPS_PROXY) and VPN; in a closed network, the VPC endpoint.",
            FailureCause.REGION: "Enable the region in the account settings, or use another region.",
            FailureCause.NO_REGION: "Use --region, set AWS_REGION, or set a region in your AWS configuration.",
            FailureCause.NOT_FOUND: "Check the name, --region and --profile.",
            FailureCause.SERVICE: "Try again later.",
        }[self.cause]

    def __str__(self) -> str:
        return f"{self.cause}: {self.call}: {self.message}" if self.call else f"{self.cause}: {self.message}"


def failure(error: Exception, call: str = "") -> Failure | None:
    """Converts an exception of botocore; returns None for other exceptions, which are bugs.

    >>> failure(ValueError("a bug")) is None
    True
    """
    if not any(base.__module__.startswith(("botocore", "boto3")) for base in type(error).__mro__):
        return None
    name = type(error).__name__
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return Failure(_cause_of_client(name, str(error)), call, str(error) or name)
    code, message = response.get("Error", {}).get("Code", ""), response.get("Error", {}).get("Message", "")
    return Failure(_cause_of_response(code, message), call, f"{code}: {message}" if message else code)


def error_code(error: Exception) -> str:
    """The service's error code; empty for other errors."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _cause_of_client(name: str, message: str) -> FailureCause:
    if name in _CREDENTIALS or "credential" in name.lower():
        return FailureCause.CREDENTIALS
    if name == "NoRegionError":
        return FailureCause.NO_REGION
    if name in _LOGIN or name.startswith(("SSO", "Login")):
        return FailureCause.EXPIRED
    return FailureCause.SERVICE if name == "ParamValidationError" else FailureCause.NETWORK


def _cause_of_response(code: str, message: str) -> FailureCause:
    if code == "RequestTimeTooSkewed" or (code in _INVALID | _EXPIRED and any(text in message for text in _CLOCK)):
        return FailureCause.CLOCK
    if code == "OptInRequired":
        return FailureCause.REGION
    if code in _NOT_FOUND or (code == "ValidationError" and "does not exist" in message):
        return FailureCause.NOT_FOUND
    for codes, cause in (
        (_EXPIRED | _INVALID, FailureCause.EXPIRED),
        (_DENIED, FailureCause.DENIED),
        (_THROTTLED, FailureCause.THROTTLED),
    ):
        if code in codes:
            return cause
    return FailureCause.SERVICE


def session(profile: str | None = None, region: str | None = None) -> Any:
    """A boto3 session. The region is the given one, otherwise from AWS_REGION, otherwise from the AWS configuration.

    Raises:
        botocore.exceptions.ProfileNotFound: the profile does not exist.
    """
    import os

    import boto3

    return boto3.Session(profile_name=profile, region_name=region or os.environ.get("AWS_REGION") or None)


def config(*, attempts: int = ATTEMPTS, read_seconds: float = READ_SECONDS) -> Any:
    """Timeouts and retries of clients."""
    from botocore.config import Config

    return Config(
        connect_timeout=min(CONNECT_SECONDS, read_seconds),
        read_timeout=read_seconds,
        retries={"mode": "adaptive", "total_max_attempts": attempts},
        max_pool_connections=CONNECTIONS,
        user_agent_extra="hyperpod-constructs",
    )


def client(service: str, profile: str | None = None, region: str | None = None) -> Any:
    """A client, for commands that require only one."""
    return session(profile, region).client(service, config=config())


def pages(api: Any, operation: str, key: str, **params: Any) -> list[Any]:
    """All items of a paged operation."""
    if not api.can_paginate(operation):
        return list(getattr(api, operation)(**params).get(key, ()))
    return [item for page in api.get_paginator(operation).paginate(**params) for item in page.get(key, ())]
