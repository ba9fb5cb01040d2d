"""A chart as a folder of files: safe extraction from archives, and a digest of the content.

Uses only the standard library, because the function and the command line share it.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, Self

from .errors import ChartError, TooLarge

MAX_ARCHIVE_BYTES = 64 * 2**20
"""Largest packed archive, in bytes (the pinned repository's has 2 MB)."""
MAX_UNPACKED_BYTES = 512 * 2**20
"""Largest unpacked archive, in bytes, including what is outside the chart's folder."""
MAX_MEMBERS = 50_000
"""Largest number of entries of an archive, including what is outside the chart's folder."""
MAX_CHART_BYTES = 64 * 2**20
"""Largest size of all files of a chart, in bytes (the pinned chart's have 4 MB)."""
MAX_CHART_FILES = 5_000
"""Largest number of files of a chart (the pinned chart has 147)."""
MAX_HEADER_BYTES = 64 * 2**10
"""Largest extended header of a tar archive, in bytes. It is read into memory as a whole; two paths require much
less."""
MAX_HEADERS_BYTES = 16 * 2**20
"""Largest size of all extended headers of a tar archive, in bytes."""
MAX_DIRECTORY_BYTES = 8 * 2**20
"""Largest directory of a zip archive, in bytes. It is read into memory as a whole, where it is ten times as large."""

_CHUNK = 64 * 1024


class Readable(Protocol):
    """A stream to read from, such as an HTTP response."""

    def read(self, size: int, /) -> bytes:
        """Returns at most `size` bytes; an empty value at the end."""
        ...


def content_digest(folder: Path) -> str:
    """Returns the digest of a folder's content, independent of the archive format: `sha256:` and 64 hexadecimal digits.

    One line per regular file below the folder (sha256 of its content, two spaces, its path with `/`, newline), sorted by
    the path's bytes; the digest is the sha256 of these lines.

    Raises:
        ChartError: the folder does not exist, has no file, or contains a link.
    """
    lines = []
    for path, file in files_of(folder):
        lines.append((path.encode(), f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {path}\n".encode()))
    return "sha256:" + hashlib.sha256(b"".join(line for _, line in sorted(lines))).hexdigest()


def files_of(folder: Path) -> list[tuple[str, Path]]:
    """Returns the regular files below a folder, with their paths relative to it.

    Raises:
        ChartError: the folder does not exist, has no file, contains a link or another entry that is not a file, or a name
        with control characters.
    """
    found = []
    for entry in sorted(folder.rglob("*")) if folder.is_dir() else []:
        mode = entry.lstat().st_mode
        path = entry.relative_to(folder).as_posix()
        _check_name(path, "chart's folder")
        if stat.S_ISREG(mode):
            found.append((path, entry))
        elif not stat.S_ISDIR(mode):
            raise ChartError(
                f"the chart's folder contains {path!r}, which is a link or a device; only regular files are supported"
            )
    if not found:
        raise ChartError(f"no chart in {str(folder)!r}: the folder does not exist or is empty")
    return found


def verify(folder: Path, wanted: str) -> None:
    """Rejects a folder whose content differs from the pinned digest.

    Raises:
        ChartError: with both digests.
    """
    actual = content_digest(folder)
    if actual != wanted:
        raise ChartError(
            f"the chart's content differs from the pinned digest: its digest is {actual}, expected {wanted}"
        )


def unpack_tar(stream: Readable, inside: str, destination: Path) -> None:
    """Unpacks one folder of a repository's gzipped tar archive from a stream.

    Args:
        stream: the packed bytes.
        inside: the chart's folder in the repository; the archive's own top folder is not part of it.
        destination: new folder for the files.

    Raises:
        ChartError: the archive is damaged, has unsafe paths or links, or lacks the folder.
        TooLarge: the archive exceeds the limits for a chart.
    """
    writer = _Writer(destination)
    wanted = PurePosixPath(inside).parts
    try:
        with _tar(stream) as archive:
            for count, member in enumerate(archive, 1):
                if count > MAX_MEMBERS:
                    raise TooLarge(f"the archive has more than {MAX_MEMBERS:,} entries")
                archive.members.clear()  # type: ignore[attr-defined]  # otherwise tarfile keeps all of them
                path = _safe(member.name)[1:]  # without the archive's top folder
                if path[: len(wanted)] != wanted or member.isdir():
                    continue
                if not member.isreg():
                    raise ChartError(
                        f"the archive contains {member.name!r}, which is a link or a device; only regular files are "
                        "supported"
                    )
                content = archive.extractfile(member)
                assert content is not None  # a regular file has content
                writer.write(path[len(wanted) :], content, member.size)
    except (tarfile.TarError, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise ChartError(f"the archive is damaged: {error}") from error
    if not writer.files:
        raise ChartError(f"the archive has no folder {inside!r}")


def unpack_zip(file: Path, destination: Path) -> None:
    """Unpacks a zip archive whose root is the chart's folder.

    Raises:
        ChartError: the archive is damaged, encrypted, or has unsafe paths or links.
        TooLarge: the archive exceeds the limits for a chart.
    """
    writer = _Writer(destination)
    _check_directory(file)
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                path = _safe(member.filename)
                if member.is_dir():
                    continue
                if member.flag_bits & _ENCRYPTED:
                    raise ChartError(
                        f"the archive contains the encrypted file {member.filename!r}; create the archive without a password"
                    )
                kind = stat.S_IFMT(member.external_attr >> 16)
                if kind not in (0, stat.S_IFREG):
                    raise ChartError(
                        f"the archive contains {member.filename!r}, which is a link or a device; only regular files are "
                        "supported"
                    )
                with archive.open(member) as content:
                    writer.write(path, content, member.file_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ChartError(f"the archive is damaged: {error}") from error
    if not writer.files:
        raise ChartError("the archive is empty")


_ENCRYPTED = 0x1 | 0x40
_END, _END_64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sLQL")


def _check_directory(file: Path) -> None:
    """Rejects a zip archive whose directory is too large before it is read: `zipfile` creates an object for each entry."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        stream.seek(max(0, size - 0xFFFF - _END.size - _END_64.size))
        tail = stream.read()
    at = len(tail) - _END.size
    if at < 0 or tail[at : at + 4] != b"PK\5\6" or tail[-2:] != b"\0\0":  # with a comment, the record is not at the end
        at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + _END.size:
        raise ChartError("the archive is damaged: it has no end of central directory record")
    if tail[max(0, at - _END_64.size) : at].startswith(b"PK\6\7"):
        raise TooLarge("the archive is in the Zip64 format, which is not supported")
    directory = _END.unpack(tail[at : at + _END.size])[5]
    if directory > MAX_DIRECTORY_BYTES:
        raise TooLarge(f"the archive's directory has {directory:,} bytes; the limit is {MAX_DIRECTORY_BYTES:,}")


def top_folder(package: Path) -> str:
    """Returns the top folder of a packed chart (`.tgz`), which is the chart's name.

    Raises:
        ChartError: it is not a packed chart.
    """
    try:
        with package.open("rb") as stream, _tar(stream) as archive:
            for member in archive:
                parts = _safe(member.name)
                if parts:
                    return parts[0]
    except (tarfile.TarError, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise ChartError(f"{package.name} is not a packed chart: {error}") from error
    raise ChartError(f"{package.name} is not a packed chart: it is empty")


def _tar(stream: Readable) -> tarfile.TarFile:
    packed: Any = _Gunzip(stream)  # a streamed archive only uses `read`
    total = 0

    class Header(tarfile.TarInfo):
        """A header of this archive. Rejects headers that `tarfile` would read into memory without a limit."""

        @classmethod
        def frombuf(cls, buf: Any, encoding: Any, errors: str) -> Self:
            nonlocal total
            header = super().frombuf(buf, encoding, errors)
            if header.type in _EXTENDED:
                total += header.size
                if header.size > MAX_HEADER_BYTES or total > MAX_HEADERS_BYTES:
                    raise TooLarge(
                        f"the archive has an extended header of {header.size:,} bytes ({total:,} bytes in total); the "
                        f"limit is {MAX_HEADER_BYTES:,} bytes per header and {MAX_HEADERS_BYTES:,} bytes in total"
                    )
            if header.type == tarfile.GNUTYPE_SPARSE:
                raise ChartError(
                    f"the archive contains {header.name!r}, which is a sparse file; only regular files are supported"
                )
            return header

        def _reject_sparse(self, following: tarfile.TarInfo, *_: object) -> None:
            raise ChartError(
                f"the archive contains {following.name!r}, which is a sparse file; only regular files are supported"
            )

        _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _reject_sparse

    return tarfile.open(fileobj=packed, mode="r|", encoding="utf-8", errors="strict", tarinfo=Header)


_EXTENDED = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)


def _safe(name: str) -> tuple[str, ...]:
    """Returns the parts of an archive member's path; a path that could leave the destination is rejected."""
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/"):
        raise ChartError(f"the archive contains the unsafe path {name!r}")
    return PurePosixPath(name).parts


def _check_name(name: str, what: str) -> None:
    """Rejects control characters: a file with a line break in its name would be two lines of the list that is hashed."""
    if not name.isprintable():
        raise ChartError(f"the {what} contains the name {name!r}, which has non-printable characters; rename the file")


class _Writer:
    """Writes an archive's files below one folder, within limits."""

    def __init__(self, destination: Path) -> None:
        self.destination = destination
        self.files = 0
        self.bytes = 0
        destination.mkdir(parents=True)

    def write(self, path: tuple[str, ...], content: Readable, size: int) -> None:
        self.files += 1
        self.bytes += size
        if self.files > MAX_CHART_FILES:
            raise TooLarge(f"the chart has more than {MAX_CHART_FILES:,} files")
        if self.bytes > MAX_CHART_BYTES:
            raise TooLarge(f"the chart has more than {MAX_CHART_BYTES:,} bytes")
        _check_name("/".join(path), "archive")
        target = self.destination.joinpath(*path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:  # mode x: a duplicate file in the archive is an error
                for chunk in _chunks(content, size):
                    file.write(chunk)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise ChartError(f"the archive contains {'/'.join(path)!r} twice") from error


def _chunks(content: Readable, size: int) -> Iterator[bytes]:
    """Returns exactly `size` bytes of a stream: the size in an archive's header may be less than the unpacked size."""
    while size > 0:
        chunk = content.read(min(size, _CHUNK))
        if not chunk:
            raise EOFError("a file is truncated")
        size -= len(chunk)
        yield chunk
    if content.read(1):
        raise TooLarge("a file in the archive is larger than the size in its header")


class _Gunzip:
    """Decompresses gzip from a stream, with limits of input and output."""

    def __init__(self, packed: Readable) -> None:
        self._packed = packed
        self._unzip = zlib.decompressobj(wbits=31)
        self._tail = b""
        self._bytes_in = 0
        self._bytes_out = 0

    def read(self, size: int, /) -> bytes:
        """Returns `size` unpacked bytes, fewer only at the end."""
        parts = []
        while size > 0 and not self._unzip.eof:
            packed = self._tail or self._next()
            part = self._unzip.decompress(packed, size)
            if not packed and not part and not self._unzip.eof:
                raise EOFError("it is truncated")
            self._tail = self._unzip.unconsumed_tail
            parts.append(part)
            size -= len(part)
            self._bytes_out += len(part)
            if self._bytes_out > MAX_UNPACKED_BYTES:
                raise TooLarge(f"the archive unpacks to more than {MAX_UNPACKED_BYTES:,} bytes")
        return b"".join(parts)

    def _next(self) -> bytes:
        packed = self._packed.read(_CHUNK)
        self._bytes_in += len(packed)
        if self._bytes_in > MAX_ARCHIVE_BYTES:
            raise TooLarge(f"the archive has more than {MAX_ARCHIVE_BYTES:,} bytes")
        return packed
