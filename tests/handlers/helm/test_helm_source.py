"""Sources of charts, with a local web server, S3 and a local OCI registry."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from chart_files import Answer, chart, digest, package, repository, sha256, tar
from moto import mock_aws
from trickle import slow_server

from hyperpod_constructs.handlers.helm import folder as folder_module
from hyperpod_constructs.handlers.helm.binary import Helm
from hyperpod_constructs.handlers.helm.errors import ChartError
from hyperpod_constructs.handlers.helm.source import obtain, registry_config

PATH = "/a/b/tar.gz/" + "1" * 40
WRONG = "sha256:" + "0" * 64


class Pauses(list[float]):
    """A replacement for sleeping."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def git(url: str, digest: str, path: str = "charts/colors") -> dict[str, str]:
    return {"Kind": "git", "ArchiveUrl": url, "Path": path, "Digest": digest}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return chart(tmp_path / "source")


def test_a_pinned_commit(web: Any, helm: Helm, source: Path, tmp_path: Path) -> None:
    url = web.serve(PATH, repository(source))
    folder = obtain(git(url, digest(source)), tmp_path / "work", helm)
    assert digest(folder) == digest(source)
    assert web.requests == [PATH]


def test_a_wrong_digest(web: Any, helm: Helm, source: Path, tmp_path: Path) -> None:
    url = web.serve(PATH, repository(source))
    with pytest.raises(ChartError) as error:
        obtain(git(url, WRONG), tmp_path / "work", helm)
    assert str(error.value).endswith(f"its digest is {digest(source)}, expected {WRONG}")


def test_a_missing_folder(web: Any, helm: Helm, source: Path, tmp_path: Path) -> None:
    url = web.serve(PATH, repository(source))
    with pytest.raises(ChartError, match=r"127\.0\.0\.1.*: the archive has no folder 'charts/colour'"):
        obtain(git(url, digest(source), "charts/colour"), tmp_path / "work", helm)


@pytest.mark.parametrize(
    "first",
    [
        Answer(status=503),
        Answer(status=429),
        Answer(body=b"x" * 5000, cut_at=2000),
        Answer(status=500, body=b"oops"),
    ],
    ids=["503", "429", "cut off", "500"],
)
def test_a_server_that_fails_at_first(web: Any, helm: Helm, source: Path, tmp_path: Path, first: Answer) -> None:
    archive = repository(source)
    if first.cut_at:
        first = Answer(body=archive, cut_at=len(archive) // 2)
    url = web.serve(PATH, first, Answer(body=archive))
    pauses = Pauses()
    folder = obtain(git(url, digest(source)), tmp_path / "work", helm, sleep=pauses)
    assert digest(folder) == digest(source)
    assert pauses == [2.0]


def test_a_server_that_keeps_failing(web: Any, helm: Helm, tmp_path: Path) -> None:
    url = web.serve(PATH, Answer(status=502))
    pauses = Pauses()
    with pytest.raises(ChartError, match="cannot be downloaded: the server returned 502 Bad Gateway") as failed:
        obtain(git(url, WRONG), tmp_path / "work", helm, sleep=pauses)
    assert url in str(failed.value)
    assert web.times(PATH) == 5
    assert pauses == [2.0, 4.0, 8.0, 16.0]


def test_a_commit_that_does_not_exist_is_requested_once(web: Any, helm: Helm, tmp_path: Path) -> None:
    pauses = Pauses()
    with pytest.raises(ChartError, match="404 Not Found"):
        obtain(git(web.url + PATH, WRONG), tmp_path / "work", helm, sleep=pauses)
    assert web.times(PATH) == 1
    assert not pauses


def test_a_host_out_of_reach(helm: Helm, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}{PATH}"
        with pytest.raises(ChartError, match=r"NewConnectionError.*use a vendored chart folder"):
            obtain(git(url, WRONG), tmp_path / "work", helm, sleep=Pauses())


def test_plain_http_is_rejected(helm: Helm, tmp_path: Path) -> None:
    with pytest.raises(ChartError, match="must be downloaded over https"):
        obtain(git("http://example.com/a.tar.gz", WRONG), tmp_path / "work", helm)


def test_an_archive_with_a_declared_size_over_the_limit(web: Any, helm: Helm, tmp_path: Path) -> None:
    url = web.serve(PATH, Answer(headers={"Content-Length": str(10**10)}))
    with pytest.raises(ChartError, match="10,000,000,000 bytes, more than"):
        obtain(git(url, WRONG), tmp_path / "work", helm)
    assert web.times(PATH) == 1


def test_an_archive_that_never_ends(
    web: Any, helm: Helm, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endless response without a length is rejected while it is read."""
    monkeypatch.setattr(folder_module, "MAX_ARCHIVE_BYTES", 2**20)
    noise = hashlib.shake_256(b"noise").digest(4 * 2**20)
    url = web.serve(PATH, Answer(body=tar([("top/noise", noise)]), headers={"Content-Length": str(2**20 * 4)}))
    with pytest.raises(ChartError, match="more than 1,048,576 bytes"):
        obtain(git(url, WRONG), tmp_path / "work", helm)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (("top/charts/colors/../../../../../evil", b"1"), "unsafe path"),
        (("/tmp/evil", b"1"), "unsafe path"),
    ],
)
def test_an_archive_that_would_write_elsewhere(
    web: Any, helm: Helm, tmp_path: Path, entry: tuple[str, bytes], message: str
) -> None:
    url = web.serve(PATH, tar([("top/charts/colors/Chart.yaml", b"name: a"), entry]))
    with pytest.raises(ChartError, match=message):
        obtain(git(url, WRONG), tmp_path / "work", helm)
    assert not list(tmp_path.rglob("evil"))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    with mock_aws():
        yield


def asset(source: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for path in source.rglob("*"):
            archive.write(path, path.relative_to(source))
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="assets", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.upload_file(str(file), "assets", "chart.zip")


@pytest.mark.usefixtures("aws")
def test_an_asset(helm: Helm, source: Path, tmp_path: Path) -> None:
    asset(source, tmp_path / "chart.zip")
    chart = {"Kind": "asset", "Bucket": "assets", "Key": "chart.zip", "Digest": digest(source)}
    assert digest(obtain(chart, tmp_path / "work", helm)) == digest(source)


@pytest.mark.usefixtures("aws")
def test_an_asset_with_another_content(helm: Helm, source: Path, tmp_path: Path) -> None:
    asset(source, tmp_path / "chart.zip")
    with pytest.raises(ChartError, match=f"{digest(source)}, expected {WRONG}"):
        obtain({"Kind": "asset", "Bucket": "assets", "Key": "chart.zip", "Digest": WRONG}, tmp_path / "work", helm)


@pytest.mark.usefixtures("aws")
def test_an_asset_that_does_not_exist(helm: Helm, source: Path, tmp_path: Path) -> None:
    asset(source, tmp_path / "chart.zip")
    with pytest.raises(ChartError, match=r"s3://assets/other.zip cannot be downloaded: .*404"):
        obtain({"Kind": "asset", "Bucket": "assets", "Key": "other.zip", "Digest": WRONG}, tmp_path / "work", helm)


def registry(web: Any, source: Path) -> tuple[str, str]:
    """A chart in an OCI registry: its reference, and its digest."""
    packed = package(source, "colors")
    config = json.dumps({"name": "colors", "version": "1.0.0", "apiVersion": "v2"}).encode()

    def blob(media_type: str, content: bytes) -> dict[str, object]:
        web.serve(f"/v2/charts/colors/blobs/{sha256(content)}", content)
        return {"mediaType": media_type, "digest": sha256(content), "size": len(content)}

    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": blob("application/vnd.cncf.helm.config.v1+json", config),
            "layers": [blob("application/vnd.cncf.helm.chart.content.v1.tar+gzip", packed)],
        }
    ).encode()
    headers = {"Content-Type": media_type, "Docker-Content-Digest": sha256(manifest)}
    for name in ("1.0.0", sha256(manifest)):
        web.serve(f"/v2/charts/colors/manifests/{name}", Answer(body=manifest, headers=headers))
    return web.url.replace("http://", "oci://") + "/charts/colors", sha256(manifest)


def test_an_oci_registry(web: Any, helm: Helm, source: Path, tmp_path: Path) -> None:
    reference, expected = registry(web, source)
    chart_source = {"Kind": "oci", "Reference": reference, "Version": "1.0.0", "Digest": expected}
    assert digest(obtain(chart_source, tmp_path / "work", helm)) == digest(source)


def test_an_oci_chart_with_another_digest(web: Any, helm: Helm, source: Path, tmp_path: Path) -> None:
    reference, actual = registry(web, source)
    with pytest.raises(ChartError, match=f"its digest is {actual}, expected {WRONG}"):
        obtain({"Kind": "oci", "Reference": reference, "Version": "1.0.0", "Digest": WRONG}, tmp_path / "work", helm)


def test_an_oci_version_that_does_not_exist(web: Any, helm: Helm, source: Path, tmp_path: Path) -> None:
    reference, digest = registry(web, source)
    with pytest.raises(ChartError, match=r"colors 2\.0\.0 cannot be pulled: .*not found"):
        obtain({"Kind": "oci", "Reference": reference, "Version": "2.0.0", "Digest": digest}, tmp_path / "work", helm)


@pytest.mark.usefixtures("aws")
def test_a_private_ecr_registry_is_logged_in_to(tmp_path: Path) -> None:
    host = "111122223333.dkr.ecr.eu-central-1.amazonaws.com"
    file = registry_config(f"oci://{host}/charts/colors", tmp_path)
    assert file is not None
    assert file.stat().st_mode & 0o777 == 0o600
    login = json.loads(file.read_text())["auths"][host]["auth"]
    assert base64.b64decode(login).decode().startswith("AWS:")


@pytest.mark.parametrize("reference", ["oci://quay.io/jetstack/charts", "oci://public.ecr.aws/a/b"])
def test_other_registries_are_pulled_from_without_credentials(tmp_path: Path, reference: str) -> None:
    assert registry_config(reference, tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_redirects_stay_on_https(web: Any, helm: Helm, source: Path, tmp_path: Path) -> None:
    web.serve(PATH, repository(source))
    redirect_url = web.serve("/moved", Answer(status=302, headers={"Location": PATH}))
    assert digest(obtain(git(redirect_url, digest(source)), tmp_path / "work", helm)) == digest(source)
    away = web.serve("/away", Answer(status=302, headers={"Location": "http://example.com/a.tar.gz"}))
    with pytest.raises(ChartError, match=r"must be downloaded over https, not from http://example\.com/a\.tar\.gz"):
        obtain(git(away, WRONG), tmp_path / "other", helm)
    loop = web.serve("/loop", Answer(status=302, headers={"Location": "/loop"}))
    with pytest.raises(ChartError, match="more than 3 redirects"):
        obtain(git(loop, WRONG), tmp_path / "again", helm, sleep=Pauses())


def test_an_archive_that_trickles_in_has_an_end(tmp_path: Path, helm: Helm) -> None:
    """One byte at a time, each within the timeout of a socket."""
    helm.seconds_left = lambda: 2.0
    with slow_server() as url, pytest.raises(ChartError, match="took longer than 1 s; try again later"):
        obtain(git(url, WRONG), tmp_path / "work", helm, sleep=Pauses())
