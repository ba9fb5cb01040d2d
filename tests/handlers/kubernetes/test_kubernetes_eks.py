"""Access to an EKS cluster: the signed request, its renewal, and the trusted certificates."""

from __future__ import annotations

import base64
import ssl
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError
from fake_api_server import FakeApiServer

from hyperpod_constructs.handlers.kubernetes.client import ApiClient
from hyperpod_constructs.handlers.kubernetes.eks import EksConnection, trust
from hyperpod_constructs.handlers.kubernetes.errors import ApiError
from hyperpod_constructs.handlers.kubernetes.services import Services
from hyperpod_constructs.handlers.kubernetes.timing import Deadline, RetriesExhausted
from hyperpod_constructs.handlers.shared.eks import ClusterGone


class Session:
    """A boto3 session whose EKS client returns the responses of a test; all other parts are real, and offline."""

    def __init__(self, cluster: dict[str, Any] | None) -> None:
        self._real = boto3.Session("AKIAEXAMPLE", "secret-key", "session-token", region_name="us-west-2")
        self.cluster = cluster

    def client(self, service: str, **extra: Any) -> Any:
        return self if service == "eks" else self._real.client(service, **extra)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @property
    def exceptions(self) -> Any:
        return self._real.client("eks").exceptions

    def describe_cluster(self, name: str) -> dict[str, Any]:
        if self.cluster is None:
            error = {"Error": {"Code": "ResourceNotFoundException", "Message": f"No cluster found for name: {name}."}}
            raise self.exceptions.ResourceNotFoundException(error, "DescribeCluster")
        return {"cluster": self.cluster}


def active(server: FakeApiServer) -> dict[str, Any]:
    authority = {"data": base64.b64encode(server.ca_pem.encode()).decode()}
    return {"status": "ACTIVE", "endpoint": server.url, "certificateAuthority": authority}


@pytest.fixture
def connection(server: FakeApiServer) -> EksConnection:
    return EksConnection(Session(active(server)), "research", server.clock)


def bearer(connection: EksConnection) -> str:
    return connection.headers()["Authorization"].removeprefix("Bearer ")


def test_the_token_is_a_presigned_identity_request_bound_to_the_cluster(connection: EksConnection) -> None:
    prefix, _, text = bearer(connection).partition(".")
    url = urlsplit(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
    query = parse_qs(url.query)
    assert prefix == "k8s-aws-v1"
    assert "=" not in text
    assert url.netloc == "sts.us-west-2.amazonaws.com"
    assert query["Action"] == ["GetCallerIdentity"]
    assert query["X-Amz-SignedHeaders"] == ["host;x-k8s-aws-id"]
    assert query["X-Amz-Expires"] == ["60"]


def test_the_token_is_cached_until_three_minutes_before_it_expires(server: FakeApiServer) -> None:
    numbers = iter(range(10))
    connection = EksConnection(Session(active(server)), "research", server.clock)
    object.__setattr__(connection._access, "make_token", lambda: f"token-{next(numbers)}")
    assert bearer(connection) == bearer(connection) == "token-0"
    server.clock.advance(719)
    assert bearer(connection) == "token-0"
    server.clock.advance(2)
    assert bearer(connection) == "token-1"
    connection.renew()
    assert bearer(connection) == "token-2"


def test_a_rejected_token_is_renewed(server: FakeApiServer) -> None:
    tokens = iter(["stale", server.token])
    connection = EksConnection(Session(active(server)), "research", server.clock)
    object.__setattr__(connection._access, "make_token", lambda: next(tokens))
    client = ApiClient(connection, Deadline.after(server.clock, 60))
    with pytest.raises(ApiError, match="Unauthorized"):
        client.get("/version")
    assert client.get("/version")["major"] == "1"


def test_nothing_secret_is_shown(connection: EksConnection) -> None:
    token = bearer(connection)
    shown = repr(connection) + repr(connection._access)
    assert "research" in shown
    assert token not in shown


def test_only_the_clusters_own_certificate_is_trusted(server: FakeApiServer) -> None:
    class Other:
        endpoint, ssl_context = server.url, ssl.create_default_context()

        def headers(self) -> dict[str, str]:
            return {}

        def renew(self) -> None: ...

    with pytest.raises(ApiError, match="CERTIFICATE_VERIFY_FAILED"):
        ApiClient(Other(), Deadline.after(server.clock, 60)).get("/version")


def test_certificates_without_key_identifiers_are_taken(server: FakeApiServer) -> None:
    context = trust(server.ca_pem)
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_region_without_clusters_is_reported(server: FakeApiServer) -> None:
    with pytest.raises(ClusterGone, match="research"):
        EksConnection(Session(None), "research", server.clock)


def test_a_cluster_that_is_being_deleted_is_considered_deleted(server: FakeApiServer) -> None:
    with pytest.raises(ClusterGone, match="is being deleted"):
        EksConnection(Session({**active(server), "status": "DELETING"}), "research", server.clock)


def test_an_endpoint_that_is_created_later_is_waited_for(server: FakeApiServer) -> None:
    session, clock = Session({"status": "CREATING"}), server.clock
    services = Services(session.client, lambda name: EksConnection(session, name, clock), clock)
    with pytest.raises(RetriesExhausted, match="has no endpoint yet"):
        services.api("research", Deadline.after(clock, 60))
    assert sum(clock.slept) <= 60


class Refusing(Session):
    """EKS rejects DescribeCluster, ``times`` times."""

    def __init__(self, cluster: dict[str, Any], code: str, times: int) -> None:
        super().__init__(cluster)
        self.code, self.times = code, times

    def describe_cluster(self, name: str) -> dict[str, Any]:
        self.times -= 1
        if self.times >= 0:
            raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "DescribeCluster")
        return super().describe_cluster(name)


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnrecognizedClientException", "ThrottlingException"])
def test_a_permission_of_a_new_role_can_be_delayed(server: FakeApiServer, code: str) -> None:
    session, clock = Refusing(active(server), code, times=4), server.clock
    services = Services(session.client, lambda name: EksConnection(session, name, clock), clock)
    assert services.api("research", Deadline.after(clock, 600)).connection.endpoint == server.url
    assert clock.slept == [1, 2, 4, 8]


def test_a_missing_permission_is_reported_after_a_grace_period(server: FakeApiServer) -> None:
    session, clock = Refusing(active(server), "AccessDeniedException", times=1000), server.clock
    services = Services(session.client, lambda name: EksConnection(session, name, clock), clock)
    with pytest.raises(ApiError, match="AccessDeniedException"):
        services.api("research", Deadline.after(clock, 600))
    assert 90 <= sum(clock.slept) < 120


def test_other_rejections_of_eks_are_passed_on(server: FakeApiServer) -> None:
    session = Refusing(active(server), "InvalidParameterException", times=1)
    with pytest.raises(ClientError, match="InvalidParameterException"):
        EksConnection(session, "research", server.clock)
