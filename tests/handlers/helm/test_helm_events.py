"""Complete events of a release on a model of helm: properties, ids, commands, and the reason of a failure."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from helm_model import Helm, Json

from hyperpod_constructs.handlers.helm import index
from hyperpod_constructs.handlers.helm.binary import HelmError
from hyperpod_constructs.handlers.helm.errors import ChartError
from hyperpod_constructs.handlers.helm.index import Properties, ReleaseFailed, Run, handle, insert_line, prepare
from hyperpod_constructs.handlers.helm.retries import ReleaseChanged
from hyperpod_constructs.handlers.kubernetes.errors import ApiError
from hyperpod_constructs.handlers.shared.eks import ClusterAccess, ClusterGone
from hyperpod_constructs.handlers.shared.ownership import Foreign, owner, owners

STACK = "arn:aws:cloudformation:us-west-2:111122223333:stack/Platform/0e1a"
GIVEN: Json = {"ClusterName": "c", "Release": "r", "Namespace": "n", "Chart": {"Kind": "git"}, "Adopt": "false"}


def test_properties() -> None:
    assert Properties.of(GIVEN) == Properties(
        "c", "r", "n", {"Kind": "git"}, {}, False, {}, [], [], False, False, False, 300, False
    )
    switches = dict.fromkeys(("AllowUnpinnedSubcharts", "SkipCrds", "CreateNamespace", "Wait", "Adopt"), "True")
    options = {
        "SubchartDigests": {"a 1": "sha256:0"}, "Values": '{"a": 1}', "ValuesFiles": ["f"], "Insertions": [{"Path": "p"}],
        "TimeoutSeconds": "60",
    }  # fmt: skip
    assert Properties.of({**GIVEN, **switches, **options}) == Properties(
        "c",
        "r",
        "n",
        {"Kind": "git"},
        {"a 1": "sha256:0"},
        True,
        {"a": 1},
        ["f"],
        [{"Path": "p"}],
        True,
        True,
        True,
        60,
        True,
    )
    assert Properties.of({name: value for name, value in GIVEN.items() if name != "Adopt"}).adopt is None
    assert Properties.of(GIVEN).physical_id == "c/n/r"


class Events:
    """Sends events to the handler, whose helm is the model."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.helm = Helm()
        self.work: list[Path] = []
        self.prepared: list[Properties] = []

        def prepared(run: Run, properties: Properties) -> Any:
            self.work.append(run.work)
            self.prepared.append(properties)
            return Path("chart"), [Path("values")]

        monkeypatch.setattr(Run, "prepared", prepared)
        monkeypatch.setattr(Run, "runner", lambda run, wanted: self.helm)

    def send(self, type_: str, old: Json | None = None, physical_id: str = "", **changed: Any) -> Json:
        event: Json = {"RequestType": type_, "StackId": STACK, "LogicalResourceId": "A", "RequestId": "1"}
        event["ResourceProperties"] = {key: value for key, value in {**GIVEN, **changed}.items() if value is not None}
        event |= {"OldResourceProperties": old} if old is not None else {}
        event |= {"PhysicalResourceId": physical_id} if physical_id else {}
        return handle(event, seconds_left=self.helm.seconds_left, sleep=self.helm.sleep, now=lambda: self.helm.time)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    return Events(monkeypatch)


def test_a_life(events: Events, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"SkipCrds": "true", "CreateNamespace": "true", "Wait": "true", "TimeoutSeconds": "60"}
    assert events.send("Create", **options) == {"PhysicalResourceId": "c/n/r", "Data": {"Revision": "1"}}
    assert events.helm.commands[0][2] == "chart"
    assert events.helm.commands[0][10:14] == ["--values=values", "--skip-crds", "--create-namespace", "--wait"]
    assert events.helm.commands[0][15] == "--timeout=60s"
    assert owners(events.helm.revisions[0]["labels"]) == {owner(STACK, "A", "c/n/r")}
    assert events.send("Update", GIVEN, "c/n/r") == {"PhysicalResourceId": "c/n/r", "Data": {"Revision": "2"}}
    assert events.helm.commands[1][11][:9] == "--labels="
    assert events.send("Delete", physical_id="given", Wait="true", TimeoutSeconds="60") == {
        "PhysicalResourceId": "given"
    }
    assert events.helm.commands[2] == ["uninstall", "r", "--debug", "--wait", "--timeout=60s", "--namespace", "n"]
    assert events.send("Delete") == {"PhysicalResourceId": "c/n/r"}
    assert not any(folder.exists() for folder in events.work)
    assert capsys.readouterr().out == "release r: delete\nrelease r does not exist\n"


def test_adopting(events: Events) -> None:
    events.helm.add("deployed")
    with pytest.raises(ReleaseFailed, match="already exists and was not created by this library"):
        events.send("Create")
    events.send("Create", Adopt="true")
    assert (
        events.helm.states[-1]
        == f"deployed {owner(STACK, 'A', 'c/n/r').digest[-1]} existed by {owner(STACK, 'A', 'c/n/r').digest[0]}"
    )


OLD: Json = {name: value for name, value in GIVEN.items() if name != "Adopt"}


@pytest.mark.parametrize(
    ("type_", "old", "changed", "physical_id", "known"),
    [
        ("Update", OLD, {}, "c/n/r", True),
        ("Update", OLD, {}, "another", False),
        ("Update", GIVEN, {}, "c/n/r", False),
        ("Update", {**OLD, "Release": "x"}, {}, "c/n/x", False),
        ("Delete", None, {"Adopt": None}, "c/n/r", True),
        ("Delete", None, {"Adopt": None}, "another", False),
        ("Delete", None, {}, "c/n/r", False),
    ],
)
def test_releases_of_the_former_version(
    events: Events, type_: str, old: Json | None, changed: Json, physical_id: str, known: bool
) -> None:
    events.helm.add("deployed")
    if type_ == "Update" and not known:
        with pytest.raises(ReleaseFailed, match="already exists"):
            events.send(type_, old, physical_id, **changed)
        return
    events.send(type_, old, physical_id, **changed)
    assert events.helm.verbs() == ([] if not known else ["upgrade"] if type_ == "Update" else ["uninstall"])


@pytest.mark.parametrize(
    ("old", "physical_id", "released"),
    [
        ({**GIVEN, "ClusterName": "lost"}, "c/n/r", True),
        ({**GIVEN, "ClusterName": "lost"}, "lost/n/r", False),
        ({**GIVEN, "ClusterName": "lost"}, "", False),
        (GIVEN, "another", False),
    ],
)
def test_what_a_lost_update_created_is_released(
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    old: Json,
    physical_id: str,
    released: bool,
) -> None:
    deleted: list[str] = []
    monkeypatch.setattr(Run, "delete", lambda run, properties: deleted.append(properties.physical_id))
    assert events.send("Update", old, physical_id)["Data"] == {"Revision": "1"}
    assert deleted == (["lost/n/r"] if released else [])
    assert capsys.readouterr().out == (
        "lost/n/r was created by an update whose response CloudFormation did not receive\n" if released else ""
    )


CURE = (
    ". If the access entry of the function's role was deleted before this resource, recreate it (aws eks "
    "create-access-entry, with the policy AmazonEKSClusterAdminPolicy) and retry the operation"
)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ChartError("no chart"), "no chart"),
        (HelmError("Error: broken"), "Error: broken"),
        (HelmError("Error: Unauthorized"), f"Error: Unauthorized{CURE}"),
        (ApiError(422, "Invalid", 'Invalid value: "hunter2-secret"'), '422 Invalid: Invalid value: "***"'),
        (ApiError(403, "Forbidden", "no"), f"403 Forbidden: no{CURE}"),
        (ReleaseChanged("changed"), "changed"),
        (Foreign("theirs"), "theirs"),
        (ClusterGone("gone"), "gone"),
        (NoCredentialsError(), "Unable to locate credentials"),
        (
            ClientError({"Error": {"Code": "X", "Message": "m"}}, "O"),
            "An error occurred (X) when calling the O operation: m",
        ),
        (ChartError("x" * 2000), "x" * (300 - 78) + " ... " + "x" * 1100),
    ],
)
@pytest.mark.parametrize(("type_", "did"), [("Create", "installed"), ("Update", "upgraded")])
def test_the_reason_of_a_failure(
    events: Events, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str, type_: str, did: str
) -> None:
    def fails(run: Run, properties: Properties) -> Json:
        events.work.append(run.work)
        raise error

    monkeypatch.setattr(Run, "apply", fails)
    with pytest.raises(ReleaseFailed) as failure:
        events.send(type_, GIVEN, Values='{"db": {"password": "hunter2-secret"}}')
    start = f"Helm release r in namespace n of cluster c was not {did}: "
    found = str(failure.value)
    if len(message) > 1000:
        assert (found[:300], found[300:305], found[305:]) == ((start + "x" * 300)[:300], " ... ", "x" * 1100)
    else:
        assert found == f"{start}{message}"
    assert not events.work[0].exists()


def test_values_of_before_are_hidden_too(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(run: Run, properties: Properties) -> Json:
        raise ApiError(422, "Invalid", "old-password and new-password")

    monkeypatch.setattr(Run, "apply", fails)
    with pytest.raises(ReleaseFailed, match=r"422 Invalid: \*\*\* and \*\*\*$"):
        events.send(
            "Update", {**GIVEN, "Values": '{"password": "old-password"}'}, Values='{"password": "new-password"}'
        )


def test_a_message_of_the_longest_length_is_whole() -> None:
    assert index._short("x" * 1400) == "x" * 1400
    assert index._short("é" * 701) == "é" * 150 + " ... " + "é" * 550


def test_a_deletion_on_a_deleted_cluster(
    events: Events, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def cluster_gone(run: Run, properties: Properties) -> Any:
        raise ClusterGone("EKS cluster 'c' does not exist")

    monkeypatch.setattr(Run, "runner", cluster_gone)
    assert events.send("Delete") == {"PhysicalResourceId": "c/n/r"}
    assert capsys.readouterr().out == "EKS cluster 'c' does not exist: the release was deleted with it\n"


def test_the_binary_is_that_of_the_layer_or_of_the_environment(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    monkeypatch.setattr(Run, "delete", lambda run, properties: found.append(run.helm._executable))
    monkeypatch.delenv("HELM", raising=False)
    events.send("Delete")
    monkeypatch.setenv("HELM", "/mine")
    events.send("Delete")
    handle({"RequestType": "Delete", "ResourceProperties": GIVEN}, seconds_left=lambda: 1.0, executable="/given")
    assert found == ["/opt/helm/helm", "/mine", "/given"]


def test_the_entry_point(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 840_000

    times = iter([100.0, 150.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    monkeypatch.setattr(index, "handle", lambda event, *, seconds_left: {"left": seconds_left(), **event})
    event = {"RequestType": "Update", "LogicalResourceId": "A", "PhysicalResourceId": "c/n/r"}
    assert index.handler(event, Context()) == {"left": 100 + 840 - 20 - 150, **event}
    assert capsys.readouterr().out == "Update A c/n/r\n"


def test_the_connection_of_a_run_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = [ApiError(503, "NoEndpoint", "later"), ApiError(403, "AccessDenied", "not yet")]
    pauses: list[float] = []

    def access(name: str) -> ClusterAccess:
        if errors:
            raise errors.pop()
        return ClusterAccess(name, "https://e", "", lambda: "t")

    helm: Any = type("Helm", (), {"seconds_left": staticmethod(lambda: 600.0)})()
    run = Run({}, Path("work"), helm, access, pauses.append, lambda: 0.0)
    assert run.runner(Properties.of(GIVEN)).api.connection.endpoint == "https://e"
    assert pauses == [2, 4]


# The chart.


def read_json(chart: Path, helm: Any, work: Path) -> Any:
    return lambda paths: [json.loads(path.read_text()) if path.is_file() else {} for path in paths]


@pytest.fixture
def chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(index, "reader", read_json)
    folder = tmp_path / "chart"
    (folder / "values").mkdir(parents=True)
    (folder / "Chart.yaml").write_text('{"name": "colors"}')
    (folder / "list.yaml").write_text("a:\n  - one\nend\n")
    (folder / "values" / "eu.yaml").write_text("{}")
    return folder


def prepared(chart: Path, **changed: Any) -> list[Path]:
    helm: Any = None
    return prepare(chart, Properties.of({**GIVEN, **changed}), chart.parent, helm, lambda _: None)


def test_values_files_come_before_the_values(chart: Path) -> None:
    files = prepared(chart, Values='{"a": 1}', ValuesFiles=["values/eu.yaml"])
    assert [file.relative_to(chart.parent.resolve()) for file in map(Path.resolve, files)] == [
        Path("chart/values/eu.yaml"), Path("values.json")
    ]  # fmt: skip
    assert (files[1].read_text(), files[1].stat().st_mode & 0o777) == ('{"a": 1}', 0o600)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ValuesFiles": ["a.yaml", "values/eu.yaml", "b.yaml"]}, "the chart has no file 'a.yaml', 'b.yaml'"),
        ({"ValuesFiles": ["../a.yaml"]}, "'../a.yaml' is not inside the chart"),
        (
            {"Insertions": [{"Path": "none.yaml", "After": "a", "Line": "  - two"}]},
            "the chart has no file 'none.yaml', to which '- two' must be added",
        ),
        (
            {"Insertions": [{"Path": "list.yaml", "After": "  - none", "Line": "  - two", "Optional": "false"}]},
            "'list.yaml' of the chart does not contain exactly one line '- none', after which '- two' must be added",
        ),
    ],
)
def test_a_chart_that_differs(chart: Path, changed: Json, message: str) -> None:
    with pytest.raises(ChartError) as failure:
        prepared(chart, **changed)
    assert str(failure.value) == message


def test_insertions(chart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    optional = {"Path": "none.yaml", "After": "a", "Line": "b", "Optional": "True"}
    prepared(chart, Insertions=[optional, {"Path": "list.yaml", "After": "  - one", "Line": "  - two"}])
    assert (chart / "list.yaml").read_text() == "a:\n  - one\n  - two\nend\n"
    assert capsys.readouterr().out == "skipped: the chart has no file 'none.yaml', to which 'b' must be added\n"
    insert_line(chart, "list.yaml", after="missing", line="  - two")
    assert (chart / "list.yaml").read_text() == "a:\n  - one\n  - two\nend\n", "it already exists"


def test_subcharts_that_are_there_twice(
    chart: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "drop_duplicates", lambda chart, read_yaml: ["sub-1.0.0.tgz"])
    prepared(chart)
    assert capsys.readouterr().out == "skipped sub-1.0.0.tgz: charts/ contains the same chart as a folder\n"


def test_subcharts_are_resolved_with_the_pins(chart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(index, "resolve", lambda chart, values, **options: calls.append((chart, values, options)))
    monkeypatch.setattr(index, "pull_subchart", lambda *arguments, sleep: arguments[:2])
    prepared(chart, Values='{"a": 1}', SubchartDigests={"sub 1": "sha256:0"}, AllowUnpinnedSubcharts="true")
    ((folder, values, options),) = calls
    assert (folder, values, options["digests"], options["allow_unpinned"]) == (
        chart,
        {"a": 1},
        {"sub 1": "sha256:0"},
        True,
    )
    assert options["pull"]("dependency", "into") == ("dependency", "into")
