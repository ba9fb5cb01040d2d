"""A chart's folder: its digest, and archives that are unpacked safely or rejected."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from chart_files import chart, digest, package, repository, tar, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperpod_constructs.handlers.helm import folder as folder_module
from hyperpod_constructs.handlers.helm.errors import ChartError, TooLarge
from hyperpod_constructs.handlers.helm.folder import content_digest, top_folder, unpack_tar, unpack_zip, verify

TREE = {"Chart.yaml": "name: a\n", "a/b.txt": "1", "a.txt": "2", "a-b/c": b"\x00\xff", "Z/ä.yaml": "", "empty": ""}


def member(name: str, kind: bytes, target: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


def unpack(archive: bytes, destination: Path, chart_path: str = "charts/colors") -> None:
    unpack_tar(io.BytesIO(archive), chart_path, destination)


def test_digest_is_that_of_sha256sum_and_sort(tmp_path: Path) -> None:
    assert content_digest(write(tmp_path, TREE)) == digest(tmp_path)


def test_digest_of_a_known_tree(tmp_path: Path) -> None:
    write(tmp_path, {"b": "x", "a/c": ""})
    assert content_digest(tmp_path) == "sha256:0395f8429a595b5dbc6fa75eb9c5c72f74d6c32eae2de62e240e0b40a902e915"


@pytest.mark.parametrize("change", [{"a.txt": "3"}, {"new": ""}, {"a/B.txt": "1"}], ids=["content", "file", "name"])
def test_digest_changes_with_anything(tmp_path: Path, change: dict[str, str]) -> None:
    before = content_digest(write(tmp_path, TREE))
    assert content_digest(write(tmp_path, change)) != before


def test_the_digest_does_not_depend_on_modes_or_empty_folders(tmp_path: Path) -> None:
    before = content_digest(write(tmp_path, TREE))
    (tmp_path / "a.txt").chmod(0o755)
    (tmp_path / "nothing").mkdir()
    assert content_digest(tmp_path) == before


def test_a_folder_with_a_link_has_no_digest(tmp_path: Path) -> None:
    write(tmp_path, TREE)
    (tmp_path / "link").symlink_to("a.txt")
    with pytest.raises(ChartError, match="'link', which is a link"):
        content_digest(tmp_path)


@pytest.mark.parametrize("make", [False, True], ids=["missing", "empty"])
def test_no_folder_has_no_digest(tmp_path: Path, make: bool) -> None:
    if make:
        (tmp_path / "chart").mkdir()
    with pytest.raises(ChartError, match="no chart in"):
        content_digest(tmp_path / "chart")


def test_a_wrong_digest_is_rejected_with_both_digests(tmp_path: Path) -> None:
    write(tmp_path, TREE)
    with pytest.raises(ChartError) as error:
        verify(tmp_path, "sha256:" + "0" * 64)
    assert digest(tmp_path) in str(error.value)
    assert "expected sha256:000" in str(error.value)


def test_only_the_charts_folder_is_unpacked(tmp_path: Path) -> None:
    source = chart(tmp_path / "source")
    unpack(repository(source), tmp_path / "chart")
    assert content_digest(tmp_path / "chart") == digest(source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chart", "source"]


@given(
    st.dictionaries(
        st.from_regex(r"([A-Z]{1,4}/){0,2}[a-z]{1,8}", fullmatch=True), st.binary(max_size=99_999), min_size=1
    )
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_packing_and_unpacking_preserves_the_content(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    chart_folder = tmp_path_factory.mktemp("there") / "chart"
    unpack(tar((f"top/charts/colors/{name}", content) for name, content in files.items()), chart_folder)
    assert {
        p.relative_to(chart_folder).as_posix(): p.read_bytes() for p in chart_folder.rglob("*") if p.is_file()
    } == files


@pytest.mark.parametrize(
    "name",
    ["top/charts/colors/../../../evil", "/etc/evil", "top/../../evil", "top/charts/colors/a\\..\\evil", "../evil"],
)
def test_a_path_that_could_leave_the_folder_is_rejected(tmp_path: Path, name: str) -> None:
    with pytest.raises(ChartError, match="unsafe path"):
        unpack(tar([("top/charts/colors/Chart.yaml", b"1"), (name, b"evil")]), tmp_path / "chart")
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_link_in_the_chart_is_rejected(tmp_path: Path, kind: bytes) -> None:
    outside = write(tmp_path / "outside", {"secret": "s"})
    link = member("top/charts/colors/out", kind, str(outside))
    with pytest.raises(ChartError, match="a link or a device"):
        unpack(tar([link, ("top/charts/colors/out/secret", b"changed")]), tmp_path / "chart")
    assert (outside / "secret").read_text() == "s"


def test_a_link_elsewhere_in_the_repository_does_not_matter(tmp_path: Path) -> None:
    unpack(
        tar([member("top/docs/link", tarfile.SYMTYPE, "/etc"), ("top/charts/colors/Chart.yaml", b"1")]),
        tmp_path / "chart",
    )
    assert (tmp_path / "chart" / "Chart.yaml").read_bytes() == b"1"


@pytest.mark.parametrize("second", ["top/charts/colors/a", "top/charts/colors/a/b"])
def test_a_file_that_is_listed_twice_is_rejected(tmp_path: Path, second: str) -> None:
    with pytest.raises(ChartError, match="twice"):
        unpack(tar([("top/charts/colors/a", b"1"), (second, b"2")]), tmp_path / "chart")


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ChartError, match="the archive has no folder 'charts/color'"):
        unpack(repository(chart(tmp_path / "source")), tmp_path / "chart", "charts/color")


@pytest.mark.parametrize("keep", [0, 10, 300], ids=["nothing", "header", "middle"])
def test_a_damaged_archive_is_rejected(tmp_path: Path, keep: int) -> None:
    archive = tar([("top/charts/colors/a", bytes(range(256)) * 64)])
    with pytest.raises(ChartError, match="damaged"):
        unpack(archive[:keep], tmp_path / "chart")


def test_a_file_that_is_not_an_archive_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ChartError, match="damaged"):
        unpack(b"<html>sign in</html>", tmp_path / "chart")


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MAX_CHART_BYTES", 1000, "more than 1,000 bytes"),
        ("MAX_CHART_FILES", 2, "more than 2 files"),
        ("MAX_MEMBERS", 3, "more than 3 entries"),
        ("MAX_UNPACKED_BYTES", 2000, "unpacks to more than 2,000 bytes"),
        ("MAX_ARCHIVE_BYTES", 100, "the archive has more than 100 bytes"),
    ],
)
def test_too_much_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, message: str
) -> None:
    archive = tar((f"top/charts/colors/{n}", bytes(range(256)) * 4) for n in range(4))
    monkeypatch.setattr(folder_module, limit, value)
    with pytest.raises(TooLarge, match=message):
        unpack(archive, tmp_path / "chart")


def test_a_bomb_is_rejected_before_it_is_unpacked(tmp_path: Path) -> None:
    class Counted(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.taken += len(data)
            return data

    huge = member("top/charts/colors/huge", tarfile.REGTYPE, size=128 * 2**20)
    bomb = Counted(tar([huge]))
    with pytest.raises(TooLarge):
        unpack_tar(bomb, "charts/colors", tmp_path / "chart")
    assert not list((tmp_path / "chart").iterdir())
    assert bomb.taken <= 64 * 1024


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "\x1b[31mred", "a\u202eb", "a\x7f", "a\u2028b"])
def test_names_with_control_characters_are_rejected(tmp_path: Path, name: str) -> None:
    """With a line break in a name, one file could have the digest of two."""
    with pytest.raises(ChartError, match="which has non-printable characters; rename the file") as error:
        unpack(tar([("top/charts/colors/Chart.yaml", b"1"), (f"top/charts/colors/{name}", b"2")]), tmp_path / "chart")
    assert str(error.value).isprintable()
    write(tmp_path / "folder", {name: "2"})
    with pytest.raises(ChartError, match="the chart's folder contains the name"):
        content_digest(tmp_path / "folder")
    unpack(tar([("top/charts/colors/Chart.yaml", b"1"), (f"top/docs/{name}", b"2")]), tmp_path / "elsewhere")


def extended(records: dict[str, str], kind: bytes = tarfile.XHDTYPE) -> list[tarfile.TarInfo | tuple[str, bytes]]:
    """An extended header with these records."""
    content = b""
    for key, value in records.items():
        size = len(f" {key}={value}\n".encode())
        while size != len(line := f"{size} {key}={value}\n".encode()):
            size = len(line)
        content += line
    header = tarfile.TarInfo("././@PaxHeader")
    header.type = kind
    return [_WithContent(header, content)]


class _WithContent(tarfile.TarInfo):
    def __init__(self, header: tarfile.TarInfo, content: bytes) -> None:
        super().__init__(header.name)
        self.type, self.size, self.content = header.type, len(content), content


def packed(entries: list[tarfile.TarInfo | tuple[str, bytes]]) -> bytes:
    """Like `tar`, with unchanged extended headers."""
    blocks = b""
    for entry in entries:
        content = getattr(entry, "content", b"") if isinstance(entry, tarfile.TarInfo) else entry[1]
        header = entry if isinstance(entry, tarfile.TarInfo) else tarfile.TarInfo(entry[0])
        header.size = len(content) or header.size
        blocks += header.tobuf(tarfile.USTAR_FORMAT) + content + b"\0" * (-len(content) % 512)
    return gzip.compress(blocks + b"\0" * 1024, 1, mtime=0)


FILE: tuple[str, bytes] = ("top/charts/colors/Chart.yaml", b"1")


@pytest.mark.parametrize(
    "entries",
    [
        extended({"comment": "x" * 70_000}),
        extended({"comment": "x" * 70_000}, tarfile.XGLTYPE),
        [_WithContent(member("././@LongLink", tarfile.GNUTYPE_LONGNAME), b"y" * 70_000)],
        [*extended({"comment": "x" * 40_000}), ("top/a", b"")] * 6,
    ],
    ids=["of a file", "of all", "a long name", "many"],
)
def test_headers_larger_than_the_memory_are_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: list[tarfile.TarInfo | tuple[str, bytes]]
) -> None:
    monkeypatch.setattr(folder_module, "MAX_HEADERS_BYTES", 200_000)
    with pytest.raises(TooLarge, match=r"extended header of [47]\d,\d+ bytes"):
        unpack(packed([*entries, FILE]), tmp_path / "chart")


def test_many_small_headers_stay_within_the_functions_memory(tmp_path: Path) -> None:
    """Other files in a repository, each with a separate header."""
    entries = [value for n in range(1_500) for value in (*extended({"path": f"top/docs/{n}"}), ("short", b""))]
    archive = packed([*entries, FILE])
    tracemalloc.start()
    unpack(archive, tmp_path / "chart")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize(
    "records",
    [
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "top/a", "GNU.sparse.realsize": "9"},
        {"GNU.sparse.map": "0,1", "GNU.sparse.size": "1"},
        {"GNU.sparse.size": "1", "GNU.sparse.numblocks": "1", "GNU.sparse.offset": "0", "GNU.sparse.numbytes": "1"},
    ],
    ids=["1.0", "0.1", "0.0"],
)
def test_sparse_files_are_rejected(tmp_path: Path, records: dict[str, str]) -> None:
    """The maps of sparse files have no limit."""
    with pytest.raises(ChartError, match="which is a sparse file; only regular files are supported"):
        unpack(packed([*extended(records), ("top/sparse", b"1\n0\n1\n")]), tmp_path / "chart")
    with pytest.raises(ChartError, match="'top/sparse', which is a sparse file"):
        unpack(packed([member("top/sparse", tarfile.GNUTYPE_SPARSE)]), tmp_path / "other")


def zipped(files: dict[str, bytes], link: str | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def encrypted(content: bytes) -> bytes:
    """With the encryption flag in both headers of a zip archive."""
    data = bytearray(content)
    data[data.index(b"PK\3\4") + 6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def sixty_four(content: bytes) -> bytes:
    """With a 64-bit end record, whose sizes then apply."""
    end = content.index(b"PK\5\6")
    large = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 2**40, 0)
    return content[:end] + large + struct.pack("<4sLQL", b"PK\6\7", 0, end, 1) + content[end:]


@pytest.mark.parametrize("commented", [False, True])
def test_a_directory_larger_than_the_memory_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commented: bool
) -> None:
    monkeypatch.setattr(folder_module, "MAX_DIRECTORY_BYTES", 1000)
    content = zipped({f"{n:080}": b"" for n in range(20)})
    if commented:  # a comment that resembles the end of an archive with a small directory
        small = content[-22:-10] + struct.pack("<LLH", 10, 0, 0)
        content = content[:-2] + struct.pack("<H", len(small)) + small
    write(tmp_path, {"a.zip": content})
    with pytest.raises(ChartError, match=r"2,520 bytes; the limit is 1,000|damaged"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "chart")


def test_an_asset_is_unpacked(tmp_path: Path) -> None:
    source = chart(tmp_path / "source")
    files = {path.relative_to(source).as_posix(): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    write(tmp_path, {"a.zip": zipped(files)})
    unpack_zip(tmp_path / "a.zip", tmp_path / "chart")
    assert content_digest(tmp_path / "chart") == digest(source)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped({"../evil": b"1"}), "unsafe path"),
        (zipped({"a": b"1"}, link="out"), "a link or a device"),
        (zipped({"a": b"1"})[:40], "damaged"),
        (zipped({}), "empty"),
        (encrypted(zipped({"a": b"1"})), "contains the encrypted file 'a'; create the archive without a password"),
        (zipped({"a\nb": b"1"}), "non-printable characters"),
        (b"", "no end of central directory record"),
        (sixty_four(zipped({"a": b"1"})), "Zip64"),
    ],
    ids=["path", "link", "cut", "empty", "encrypted", "name", "nothing", "64 bits"],
)
def test_a_bad_asset_is_rejected(tmp_path: Path, content: bytes, message: str) -> None:
    write(tmp_path, {"a.zip": content})
    with pytest.raises(ChartError, match=message):
        unpack_zip(tmp_path / "a.zip", tmp_path / "chart")


def test_the_name_of_a_packed_chart(tmp_path: Path) -> None:
    write(tmp_path, {"any.tgz": package(chart(tmp_path / "c"), "colors"), "bad.tgz": b"no", "none.tgz": tar([])})
    assert top_folder(tmp_path / "any.tgz") == "colors"
    for bad in ("bad.tgz", "none.tgz"):
        with pytest.raises(ChartError, match="not a packed chart"):
            top_folder(tmp_path / bad)
