"""Requests that AWS rejects: each is one finding, and the other checks continue."""

from __future__ import annotations

import re
from pathlib import Path

import boto3
import pytest
from accounts import TODAY, eks, finding_of, ids, look, service_quotas
from fake_api_server import FakeApiServer
from fake_aws import AwsFault, FakeAws
from preflight_platforms import existing_platform, new
from proving import every

from hyperpod_constructs.core.catalog import use_clock
from hyperpod_constructs.core.checks import rules
from hyperpod_constructs.live.operations.aws import FailureCause, failure
from hyperpod_constructs.live.preflight import engine, preflight, probes


def probes_named(*titles):
    """The probes with these titles, because creating clients is slow."""
    return [probe for probe in probes() if probe.title in titles]


def test_a_missing_permission(aws):
    aws.fail("service-quotas", "ListServiceQuotas", "AccessDeniedException", "not you", status=400)
    aws.fail("ec2", "DescribeInstanceTypeOfferings", "UnauthorizedOperation", status=403)
    found = look(aws, new(network={"availability_zone_ids": ["usw2-az1", "usw2-az7"]}))
    finding = finding_of(found, "HP903")
    assert finding.message.startswith(
        "access denied: ec2:DescribeInstanceTypeOfferings, servicequotas:ListServiceQuotas"
    )
    assert "Allow ec2:DescribeInstanceTypeOfferings, servicequotas:ListServiceQuotas" in finding.cure
    assert "quotas of HyperPod" in finding.consequence
    assert ids(found) == ["HP920", "HP903"]  # requests that this and the other probes could still send


def test_part_of_a_fan_out_may_fail(aws):
    answers = {"vpc-cni": "AccessDeniedException"}
    installed = existing_platform()

    def describe(request):
        if request["addonName"] in answers:
            raise AwsFault(answers[request["addonName"]], status=403)
        return {"addon": {"addonName": request["addonName"], "addonVersion": "v1", "status": "DEGRADED"}}

    aws.on("eks", "DescribeAddon", describe)
    found = look(aws, installed)
    assert finding_of(found, "HP903").message.startswith("access denied: eks:DescribeAddon")
    assert {f.path for f in found if f.rule == "HP945"} >= {"addons.coredns", "addons.kube_proxy"}


def test_throttling_is_tried_again(separate_aws):
    separate_aws.fail("eks", "DescribeClusterVersions", "ThrottlingException", status=429, times=2)
    assert ids(look(separate_aws, new(), shared=False, attempts=4, only=probes_named("Kubernetes version"))) == []
    assert len(separate_aws.received("eks", "DescribeClusterVersions")) == 3


def test_throttling_that_does_not_end(separate_aws):
    separate_aws.fail("service-quotas", "ListServiceQuotas", "TooManyRequestsException", "slow down", status=429)
    found = look(separate_aws, new(), shared=False, attempts=2, only=probes_named("quotas of HyperPod", "account"))
    assert (
        finding_of(found, "HP904").message
        == "throttled: servicequotas:ListServiceQuotas (TooManyRequestsException: slow down)"
    )
    assert ids(found) == ["HP904"]


@pytest.mark.parametrize(
    ("code", "message", "rule"),
    [
        ("ExpiredToken", "The security token included in the request is expired", "HP902"),
        ("InvalidClientTokenId", "The security token included in the request is invalid.", "HP902"),
        ("SignatureDoesNotMatch", "Signature expired: 20261123T0000Z is now earlier than 20261123T1000Z", "HP906"),
        ("RequestTimeTooSkewed", "too large", "HP906"),
    ],
)
def test_credentials_and_clock_are_one_finding(aws, code, message, rule):
    for operation in aws._answers:
        aws.fail(*operation, code, message, status=403)
    found = look(aws, new())
    assert ids(found) == [rule]
    assert found[0].severity == "error"
    assert message in found[0].message
    assert found[0].consequence == "No check was completed."


def test_no_credentials(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with use_clock(TODAY):
        found = preflight(new(), session=boto3.Session(region_name="us-west-2"), attempts=1)
    assert ids(found) == ["HP901"]
    assert "aws configure" in found[0].cure


def test_no_network():
    with FakeAws() as aws:
        session = aws.session()
    with use_clock(TODAY):
        found = preflight(new(), session=session, attempts=1, read_seconds=2.0)
    assert ids(found) == ["HP905"]
    assert "sts:GetCallerIdentity" in found[0].message


def test_a_hang_is_cut_by_the_read_timeout(separate_aws):
    separate_aws.hang("eks", "DescribeClusterVersions")
    found = look(
        separate_aws, new(), shared=False, read_seconds=0.3, only=probes_named("Kubernetes version", "account")
    )
    assert ids(found) == ["HP905"]
    assert "eks:DescribeClusterVersions" in finding_of(found, "HP905").message


@pytest.mark.slow  # waits for four seconds
def test_a_hang_is_cut_by_the_deadline(separate_aws):
    separate_aws.hang("ec2", "DescribeAvailabilityZones")
    probes = probes_named("zones and instance types", "account")
    platform = new(account="999999999999")
    found = look(separate_aws, platform, shared=False, read_seconds=60.0, deadline_seconds=4.0, only=probes)
    assert ids(found) == ["HP908", "HP905"]
    assert finding_of(found, "HP905").message == "no result within 4 seconds: zones and instance types"


def test_an_error_of_the_service(aws):
    aws.fail("ec2", "DescribeAvailabilityZones", "InternalError", "oops", status=500)
    found = look(aws, new())
    assert finding_of(found, "HP907").message == "service error: ec2:DescribeAvailabilityZones (InternalError: oops)"


def test_pages(aws):
    aws.page_size = 1
    service_quotas(aws, sagemaker={"ml.p5.48xlarge for cluster usage": 1})
    assert ids(look(aws, new())) == ["HP910"]
    assert len(aws.received("service-quotas", "ListServiceQuotas")) > 8


def test_each_request_is_sent_once(aws):
    look(aws, existing_platform())
    requests = [(call.service, call.operation, repr(call.params)) for call in aws.calls]
    assert sorted(requests) == sorted(set(requests))


def test_only_read_calls_are_sent(aws):
    look(aws, existing_platform())
    look(aws, new())
    for call in aws.calls:
        assert call.operation.startswith(("Describe", "List", "Get", "Head", "Simulate")), call


def test_progress_names_each_probe(aws):
    progress: list[tuple[str, int, int]] = []
    look(aws, new(), progress=lambda *arguments: progress.append(arguments))
    assert [done for _, done, _ in progress] == list(range(1, len(progress) + 1))
    assert {title for title, _, _ in progress} == {probe.title for probe in probes() if probe.applies(new())}


def test_a_finding_can_be_acknowledged(aws):
    service_quotas(aws, sagemaker={"ml.p5.48xlarge for cluster usage": 1})
    platform = new(acknowledge=[{"rule": "HP910", "reason": "the increase is on its way"}])
    assert finding_of(look(aws, platform), "HP910").acknowledged == "the increase is on its way"


def test_a_separate_kueue_is_reported(aws):
    import base64

    with FakeApiServer() as api:
        api.token = "any"
        certificate = base64.b64encode(api.ca_pem.encode()).decode()
        aws.on("eks", "DescribeCluster", eks(endpoint=api.url, certificateAuthority={"data": certificate}))
        finding = finding_of(look(aws, existing_platform()), "HP947")
        assert finding.message == "could not check shared for a Kueue installation: Unauthorized"
        sent = _accept_any_token(api)
        assert "HP947" not in ids(look(aws, existing_platform()))
        labels = {"app.kubernetes.io/name": "kueue"}
        metadata = {"name": "kueue-controller-manager", "namespace": "default", "labels": labels}
        api.store.put({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata})
        finding = finding_of(look(aws, existing_platform()), "HP947")
    assert finding.message == "shared has a separate Kueue installation: default/kueue-controller-manager"
    assert every(token.startswith("Bearer k8s-aws-v1.") for token in sent)


def _accept_any_token(api: FakeApiServer) -> list[str]:
    sent: list[str] = []
    answer = api.answer

    def accept(method, target, headers, data):
        sent.append(headers["Authorization"])
        headers.replace_header("Authorization", f"Bearer {api.token}")
        return answer(method, target, headers, data)

    api.answer = accept  # type: ignore[method-assign]
    return sent


def test_every_live_rule_is_reported_and_none_is_certain():
    folder = Path(engine.__file__).parent
    reported = {id for path in folder.glob("*.py") for id in re.findall(r'"(HP9\d\d)"', path.read_text())}
    reported |= {
        "HP970",
        "HP971",
        "HP972",
        "HP973",
    }  # by `hyperpod diff`, in templates: tests/edits/test_deployments.py
    described = [rule for rule in rules() if rule.id.startswith("HP9")]
    assert {rule.id for rule in described} == reported
    assert not any(rule.is_certain for rule in described)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("NoCredentialsError", FailureCause.CREDENTIALS),
        ("ProfileNotFound", FailureCause.CREDENTIALS),
        ("TokenRetrievalError", FailureCause.EXPIRED),
        ("UnauthorizedSSOTokenError", FailureCause.EXPIRED),
        ("EndpointConnectionError", FailureCause.NETWORK),
        ("ReadTimeoutError", FailureCause.NETWORK),
    ],
)
def test_errors_of_botocore(name, cause):
    from botocore import exceptions

    kind = getattr(exceptions, name)
    error = kind.__new__(kind)
    Exception.__init__(error, "x")
    found = failure(error, "sts:GetCallerIdentity")
    assert found is not None
    assert found.cause is cause


def test_an_unexpected_response_is_reported(aws, caplog):
    caplog.set_level("DEBUG", logger="hyperpod_constructs.live.preflight")
    aws.on("eks", "DescribeClusterVersions", {"clusterVersions": [{"clusterVersion": "one"}]})
    found = look(aws, new(account="999999999999"))
    assert ids(found) == ["HP908", "HP907"]
    finding = finding_of(found, "HP907")
    assert finding.message.startswith(
        "unexpected error in the check: ValueError: 'one' is not a valid Kubernetes version"
    )
    assert "Kubernetes version" in finding.consequence
    assert "Traceback" in caplog.text
