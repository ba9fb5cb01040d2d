"""Entries as text, and the commands that print them."""

import subprocess
import sys
from datetime import date

import pytest
from click.testing import CliRunner

from hyperpod_constructs.cli.catalog import _KINDS
from hyperpod_constructs.cli.catalog import catalog as command
from hyperpod_constructs.core import catalog
from hyperpod_constructs.core.catalog import show
from hyperpod_constructs.live.facts import refresh as refresh_module
from hyperpod_constructs.live.facts.refresh import Difference, Refreshed

TODAY = date(2026, 11, 23)


def test_an_instance_type() -> None:
    text = show.render_instance_type(catalog.instance_type("ml.p5.48xlarge"))
    assert text.splitlines()[:16] == [
        "ml.p5.48xlarge",
        "  vCPU                   192",
        "  memory                 2048 GiB",
        "  architecture           x86_64",
        "  accelerators           8 x NVIDIA H100, 80 GiB each",
        "  Kubernetes resources   nvidia.com/gpu",
        "  MIG profiles           mig-1g.10gb, mig-1g.20gb, mig-2g.20gb, mig-3g.40gb, mig-4g.40gb,",
        "                         mig-7g.80gb",
        "  EFA interfaces         32 (vpc.amazonaws.com/efa)",
        "  network cards          32",
        "  IPv4 per interface     50",
        "  maximum IPs per node   81",
        "  maximum pods per node  49",
        "  local NVMe             30400 GB",
        "  threads per core       1 or 2",
        "  deep health checks     yes",
    ]
    assert "ml.p5.48xlarge for cluster usage (L-8762A75F)" in text
    assert "Uncertain" not in text
    assert "Facts of 2026-11-23." in text


def test_uncertain_facts_have_a_number_and_a_reason() -> None:
    text = show.render_instance_type(catalog.instance_type("ml.p6e-gb200.36xlarge"))
    assert "EFA interfaces         yes, number unknown (vpc.amazonaws.com/efa) [3]" in text
    assert "  [3] EC2's EFA guide describes four useful EFA-only interfaces" in text
    assert "maximum pods per node  unknown [6]" in text
    assert "  [6] Not in the documentation's table, and the addresses per interface are not known." in text
    g7e = show.render_instance_type(catalog.instance_type("ml.g7e.2xlarge"))
    assert "maximum pods per node  49 [1]" in g7e
    assert "[1] The documentation says 49, but EC2 gives 64 IPv4 addresses per interface" in g7e


def test_a_cpu_type() -> None:
    text = show.render_instance_type(catalog.instance_type("ml.m5.4xlarge"))
    for line in ("accelerators           none", "EFA interfaces         none", "local NVMe             none"):
        assert line in text
    assert "no: GPU and Trainium types only" in text
    assert "code unknown" in text


def test_a_region() -> None:
    text = show.render_region(catalog.region("ca-central-1"))
    assert "HyperPod                   yes [1]" in text
    assert "zone ids                   cac1-az1 and others" in text
    assert "…::ClusterSchedulerConfig  no [2]" in text
    assert "inference images' account  none" in text
    assert "[1] The documentation's list of 18 regions does not have it" in text


def test_a_kubernetes_version_on_a_day() -> None:
    version = catalog.kubernetes_version("1.34")
    assert "on 2026-11-23" in show.render_kubernetes_version(version, TODAY)
    assert "standard support, 9 days left" in show.render_kubernetes_version(version, TODAY)
    assert "extended support, 365 days left" in show.render_kubernetes_version(version, date(2026, 12, 2))
    with catalog.use_clock(date(2030, 1, 1)):
        assert "  ended\n" in show.render_kubernetes_version(version)
    assert "amazon-sagemaker-hyperpod-training-operator  v1.3.0-eksbuild.1" in show.render_kubernetes_version(
        version, TODAY
    )
    old = show.render_kubernetes_version(catalog.kubernetes_version("1.29"), TODAY)
    assert "amazon-sagemaker-hyperpod-taskgovernance  requires Kubernetes 1.30 or later" in old


def test_an_addon() -> None:
    text = show.render_addon(catalog.addon("amazon-sagemaker-hyperpod-training-operator"))
    assert "pod-identity, with a separate association that is created first [1]" in text
    assert "deployment: becomes ACTIVE when nodes are ready" in text
    assert "v1.3.0-eksbuild.1: Kubernetes 1.31 to 1.36, seen 2026-10-04" in text
    assert "v1.2.1: Kubernetes 1.28 to 1.35, build unknown" in text
    inference = show.render_addon(catalog.addon("amazon-sagemaker-hyperpod-inference"))
    assert "cert-manager (v1.18.2-eksbuild.2 or later)" in inference


def test_an_endpoint() -> None:
    text = show.render_endpoint(catalog.endpoint("sagemaker.api"))
    assert "com.amazonaws.<region>.sagemaker.api" in text
    assert "every cluster, ebs [1]" in text


def test_every_entry_can_be_shown_in_lines_that_fit() -> None:
    entries = {
        "instance-type": catalog.instance_types(),
        "region": catalog.regions(),
        "kubernetes": catalog.kubernetes_versions(),
        "addon": catalog.addons(),
        "endpoint": catalog.endpoints(),
    }
    assert set(entries) == set(show.KINDS) == set(_KINDS)
    for kind, names in entries.items():
        for name, entry in names.items():
            text = show.KINDS[kind].render(show.KINDS[kind].find(name))
            assert max(map(len, text.splitlines())) <= 100, name
            line = " ".join(text.split())
            for field, reason in entry.uncertain.items():
                assert reason in line, f"{name}: {field} is uncertain, and the text does not say so"
            assert entry.uncertain or "Uncertain:" not in text


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, args)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_show() -> None:
    code, out, _ = run("show", "instance-type", "ml.trn1.32xlarge")
    assert (code, out.splitlines()[0]) == (0, "ml.trn1.32xlarge")
    assert "Neuron cores           32 physical" in out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("show", "instance-type", "p5.48xlarge"), "did you mean 'ml.p5.48xlarge'?"),
        (("show", "region", "us-west-22"), "unknown region 'us-west-22'; did you mean 'us-west-2'?"),
        (("show", "planet", "earth"), "'planet' is not one of"),
        (("list", "instance-type", "--region", "eu-wset-1"), "did you mean 'eu-west-1'?"),
        (("list", "addon", "--region", "eu-west-1"), "--region is valid only with instance-type"),
        (("refresh", "--region", "eu-west-1"), "--region requires --live"),
    ],
)
def test_wrong_use_is_exit_code_2(args: tuple[str, ...], message: str) -> None:
    code, out, err = run(*args)
    assert code == 2
    assert out == ""
    assert message in err


def test_lists() -> None:
    assert len(run("list", "instance-type")[1].splitlines()) == 1 + 209
    spain = run("list", "instance-type", "--region", "eu-south-2")[1]
    assert len(spain.splitlines()) == 1 + sum(
        "eu-south-2" in instance_type.regions for instance_type in catalog.instance_types().values()
    )
    assert len(run("list", "region")[1].splitlines()) == 1 + 19
    assert len(run("list", "addon")[1].splitlines()) == 1 + len(catalog.addons())
    assert len(run("list", "endpoint")[1].splitlines()) == 1 + len(catalog.endpoints())
    with catalog.use_clock(TODAY):
        assert "1.34     standard  9          yes" in run("list", "kubernetes")[1]


def test_refresh_without_differences() -> None:
    assert run("refresh") == (0, "The facts match their sources.\n", "")


@pytest.fixture
def differs(monkeypatch: pytest.MonkeyPatch) -> list[Refreshed]:
    outcome = Refreshed({}, (Difference("limits", "limits.tags.value", 50, 51),), ("a remark",))
    written: list[Refreshed] = []

    def write(refreshed: Refreshed, folder: object = None) -> tuple[str, ...]:
        written.append(refreshed)
        return ("limits",)

    monkeypatch.setattr(refresh_module, "refresh", lambda *_, **__: outcome)
    monkeypatch.setattr(refresh_module, "write", write)
    return written


def test_refresh_prints_differences_and_leaves_the_files(differs: list[Refreshed]) -> None:
    code, out, err = run("refresh")
    assert (code, err) == (1, "note: a remark\n")
    assert out == "limits.json\n  limits.tags.value  50  ->  51\n1 fact differs. Use --write to update the files.\n"
    assert differs == []


def test_refresh_writes_on_request(differs: list[Refreshed]) -> None:
    code, out, _ = run("refresh", "--write")
    assert (code, out.splitlines()[-1]) == (0, "Wrote limits.json.")
    assert len(differs) == 1


def test_refresh_without_cfn_lint_reports_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Refreshed:
        raise ModuleNotFoundError("No module named 'cfnlint'", name="cfnlint")

    monkeypatch.setattr(refresh_module, "refresh", fail)
    code, _, err = run("refresh")
    assert (code, err) == (1, "Error: cfnlint is not installed: pip install 'hyperpod-constructs[refresh]'\n")


def test_refresh_live_reports_missing_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import NoCredentialsError

    def fail(session: object, region: str, **__: object) -> Refreshed:
        assert region == "eu-west-1"
        raise NoCredentialsError

    monkeypatch.setattr(refresh_module, "refresh", fail)
    code, _, err = run("refresh", "--live", "--region", "eu-west-1")
    assert (code, err) == (1, "Error: the AWS request failed: Unable to locate credentials\n")


def test_refresh_live_needs_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    code, _, err = run("refresh", "--live")
    assert code == 2
    assert "no region: use --region" in err


def test_refresh_live_reports_an_unknown_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    code, _, err = run("refresh", "--live", "--region", "eu-west-1", "--profile", "nobody")
    assert code == 1
    assert "nobody" in err


def test_showing_an_entry_starts_no_aws_library_and_no_cdk() -> None:
    script = """
import sys
from hyperpod_constructs.cli import main
main(["catalog", "show", "instance-type", "ml.p5.48xlarge"], standalone_mode=False)
heavy = {"aws_cdk", "jsii", "cdk8s", "constructs", "boto3", "botocore", "cfnlint", "kubernetes"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    completed = subprocess.run([sys.executable, "-c", script], check=True, timeout=600, capture_output=True, text=True)
    assert completed.stdout.startswith("ml.p5.48xlarge\n")
