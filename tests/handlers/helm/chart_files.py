"""Small charts and their archives, created in tests; this repository contains no third-party chart."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

CONFIG_MAP = """apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Values.name | default .Chart.Name }}}
data: {color: {{ .Values.color | quote }}}
"""


@dataclass
class Answer:
    """An HTTP response; `cut_at` ends it early, `repeat` sends its body repeatedly."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    repeat: int = 0


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def chart(
    folder: Path, name: str = "colors", *, dependencies: Iterable[Mapping[str, object]] = (), **files: str
) -> Path:
    """A chart with one ConfigMap; `files` are additional files, with `__` for `/` and `_DOT_` for `.` in their names."""
    metadata = {"apiVersion": "v2", "name": name, "version": "1.0.0", "dependencies": list(dependencies)}
    write(
        folder,
        {"Chart.yaml": json.dumps(metadata), "values.yaml": "color: red\n", "templates/map.yaml": CONFIG_MAP},
    )
    return write(folder, {key.replace("__", "/").replace("_DOT_", "."): text for key, text in files.items()})


def tar(entries: Iterable[tuple[str, bytes] | tarfile.TarInfo]) -> bytes:
    """A gzipped tar archive of (name, content), or of complete members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry, io.BytesIO(b"\0" * entry.size))
            else:
                member = tarfile.TarInfo(entry[0])
                member.size = len(entry[1])
                archive.addfile(member, io.BytesIO(entry[1]))
    return gzip.compress(buffer.getvalue(), 1, mtime=0)


def repository(folder: Path, chart_path: str = "charts/colors") -> bytes:
    """The archive of one commit as a git host returns it: a top folder, other files, and the chart's folder."""
    files = [(f"repo-abc/{chart_path}/{p.relative_to(folder).as_posix()}", p.read_bytes()) for p in _files(folder)]
    return tar([("repo-abc/README.md", b"hello"), *files, ("repo-abc/other/file", b"1")])


def package(folder: Path, name: str) -> bytes:
    """A packed chart: its files under a folder of its name."""
    return tar((f"{name}/{path.relative_to(folder).as_posix()}", path.read_bytes()) for path in _files(folder))


def digest(folder: Path) -> str:
    """The content digest, calculated independently with coreutils."""
    command = "find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum"
    completed = subprocess.run(["sh", "-c", command], cwd=folder, check=True, capture_output=True, text=True)
    return "sha256:" + completed.stdout.split()[0]


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
