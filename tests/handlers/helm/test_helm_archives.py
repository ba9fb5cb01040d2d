"""Exact messages about archives that cannot be unpacked or downloaded."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chart_files import tar

from hyperpod_constructs.handlers.helm import folder as folder_module
from hyperpod_constructs.handlers.helm import source
from hyperpod_constructs.handlers.helm.errors import ChartError
from hyperpod_constructs.handlers.helm.folder import unpack_tar, unpack_zip

ONLY_FILES = "which is a link or a device; only regular files are supported"


def member(name: str, kind: bytes, size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info


TARS: list[tuple[bytes, dict[str, int], str]] = [
    (tar([("top/b", b"1")]), {}, "the archive has no folder 'a'"),
    (tar([("top/a/x", b"1"), ("top/a/y", b"2")]), {"MAX_MEMBERS": 1}, "the archive has more than 1 entries"),
    (tar([member("top/a/x", tarfile.SYMTYPE)]), {}, f"the archive contains 'top/a/x', {ONLY_FILES}"),
    (tar([("top/../x", b"1")]), {}, "the archive contains the unsafe path 'top/../x'"),
    (
        tar([("top/a/x\n", b"1")]),
        {},
        "the archive contains the name 'x\\n', which has non-printable characters; rename the file",
    ),
    (tar([("top/a/x", b"1"), ("top/a/x", b"2")]), {}, "the archive contains 'x' twice"),
    (tar([("top/a/x", b"1"), ("top/a/x/y", b"2")]), {}, "the archive contains 'x/y' twice"),
    (tar([("top/a/x", b"1"), ("top/a/y", b"2")]), {"MAX_CHART_FILES": 1}, "the chart has more than 1 files"),
    (tar([("top/a/x", b"12")]), {"MAX_CHART_BYTES": 1}, "the chart has more than 1 bytes"),
    (tar([("top/a/x", b"1")]), {"MAX_UNPACKED_BYTES": 100}, "the archive unpacks to more than 100 bytes"),
    (tar([("top/a/x", b"1")]), {"MAX_ARCHIVE_BYTES": 10}, "the archive has more than 10 bytes"),
    (tar([("top/a/x", b"1")])[:60], {}, "the archive is damaged: it is truncated"),
    (
        tar([("top/a/" + "x" * 3000, b"1")]),
        {"MAX_HEADER_BYTES": 2000},
        "the archive has an extended header of 3,017 bytes (3,017 bytes in total); the limit is 2,000 bytes per "
        "header and 16,777,216 bytes in total",
    ),
    (
        tar([member("top/a/x", tarfile.GNUTYPE_SPARSE)]),
        {},
        "the archive contains 'top/a/x', which is a sparse file; only regular files are supported",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("packed", "limits", "message"), TARS)
def test_a_tar_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bytes, limits: dict[str, int], message: str
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(folder_module, name, value)
    with pytest.raises(ChartError) as failure:
        unpack_tar(io.BytesIO(packed), "a", tmp_path / "chart")
    assert str(failure.value) == message


def test_the_largest_archive_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tar([("top/a/x", b"12"), ("top/b", b"1")])
    limits = {
        "MAX_MEMBERS": 2, "MAX_CHART_FILES": 1, "MAX_CHART_BYTES": 2, "MAX_ARCHIVE_BYTES": len(packed),
        "MAX_UNPACKED_BYTES": len(gzip.decompress(packed)),
    }  # fmt: skip
    for name, value in limits.items():
        monkeypatch.setattr(folder_module, name, value)
    unpack_tar(io.BytesIO(packed), "a", tmp_path / "chart")
    assert (tmp_path / "chart" / "x").read_bytes() == b"12"


def zipped(make: Callable[[zipfile.ZipFile], object]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        make(archive)
    return buffer.getvalue()


def link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    archive.writestr(info, "target")


def encrypted(data: bytes) -> bytes:
    """With the flag of encryption in the directory."""
    at = data.index(b"PK\1\2") + 8
    return data[:at] + b"\1" + data[at + 1 :]


PLAIN = zipped(lambda archive: archive.writestr("x", "1"))
ZIPS: list[tuple[bytes, dict[str, int], str]] = [
    (zipped(lambda archive: None), {}, "the archive is empty"),
    (zipped(link), {}, f"the archive contains 'link', {ONLY_FILES}"),
    (encrypted(PLAIN), {}, "the archive contains the encrypted file 'x'; create the archive without a password"),
    (b"not a zip", {}, "the archive is damaged: it has no end of central directory record"),
    (PLAIN[:-22] + b"PK\6\7" + bytes(16) + PLAIN[-22:], {}, "the archive is in the Zip64 format, which is not supported"),
    (PLAIN, {"MAX_DIRECTORY_BYTES": 10}, "the archive's directory has 47 bytes; the limit is 10"),
    (PLAIN.replace(b"PK\3\4", b"PK\0\0"), {}, "the archive is damaged: Bad magic number for file header"),
]  # fmt: skip


@pytest.mark.parametrize(("packed", "limits", "message"), ZIPS)
def test_a_zip_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bytes, limits: dict[str, int], message: str
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(folder_module, name, value)
    (tmp_path / "a.zip").write_bytes(packed)
    with pytest.raises(ChartError) as failure:
        unpack_zip(tmp_path / "a.zip", tmp_path / "chart")
    assert str(failure.value) == message


# Downloads.


class Response(io.BytesIO):
    """An answer of the server."""

    def __init__(self, status: int = 200, reason: str = "OK", body: bytes = b"", **headers: str) -> None:
        super().__init__(body)
        self.status, self.reason = status, reason
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


URL = "https://codeload.example.com/a.tar.gz"
OFFLINE = "In a network without access to it, use a vendored chart folder"


@pytest.mark.parametrize(
    ("answer", "message", "pauses"),
    [
        (lambda: Response(404, "Not Found"), f"cannot be downloaded: the server returned 404 Not Found. {OFFLINE}", []),
        (lambda: Response(302, ""), f"cannot be downloaded: the server returned 302. {OFFLINE}", []),
        (lambda: Response(500, ""), f"cannot be downloaded: the server returned 500. {OFFLINE}", [2, 4, 8, 16]),
        (
            lambda: Response(429, "Slow"),
            f"cannot be downloaded: the server returned 429 Slow. {OFFLINE}",
            [2, 4, 8, 16],
        ),
    ],
)
def test_a_download_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[], Any], message: str, pauses: list[float]
) -> None:
    found: list[float] = []
    monkeypatch.setattr(source, "_get", lambda pool, url: answer())
    with pytest.raises(ChartError) as failure:
        source.download(URL, "a", tmp_path / "chart", sleep=found.append)
    assert (str(failure.value), found) == (f"the chart's archive {URL} {message}", pauses)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Response(body=tar([("top/b", b"1")])), "the archive has no folder 'a'"),
        (Response(content_length="67108865"), "the archive has 67,108,865 bytes, more than 67,108,864"),
    ],
)
def test_an_archive_that_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Response, message: str
) -> None:
    monkeypatch.setattr(source, "_get", lambda pool, url: answer)
    with pytest.raises(ChartError) as failure:
        source.download(URL, "a", tmp_path / "chart", sleep=lambda _: pytest.fail("waited"))
    assert str(failure.value) == f"the chart's archive {URL}: {message}"
    assert answer.closed


def test_a_download_has_half_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []

    def times_out(seconds: float, call: Any) -> None:
        limits.append(seconds)
        raise TimeoutError

    monkeypatch.setattr(source, "within", times_out)
    for remaining in (600.0, 1.0):
        with pytest.raises(ChartError) as failure:
            source.download(URL, "a", tmp_path, seconds_left=lambda remaining=remaining: remaining)
    assert limits == [300.0, 1.0]
    assert str(failure.value) == f"the download of the chart's archive {URL} took longer than 1 s; try again later"


def test_redirects_are_followed_over_https_only() -> None:
    def pool(*locations: str | None) -> Any:
        remaining, requests = list(locations), list[Any]()

        def request(method: str, url: str, **options: Any) -> Any:
            requests.append((method, url, options))
            location = remaining.pop(0)
            return SimpleNamespace(get_redirect_location=lambda: location, close=lambda: None)

        return SimpleNamespace(request=request, requests=requests)

    followed = pool("/b", "https://other/c", "d", None)
    source._get(followed, URL)
    assert [url for _, url, _ in followed.requests] == [
        URL, "https://codeload.example.com/b", "https://other/c", "https://other/d"
    ]  # fmt: skip
    options = {"preload_content": False, "decode_content": False, "redirect": False}
    assert followed.requests[0] == ("GET", URL, options)
    with pytest.raises(ChartError, match=r"^more than 3 redirects, the last one to https://codeload\.example\.com/e$"):
        source._get(pool("/b", "/c", "/d", "/e"), URL)
    with pytest.raises(ChartError, match=r"^the chart's archive must be downloaded over https, not from http://other$"):
        source._get(pool("http://other"), URL)
