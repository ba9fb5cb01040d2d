"""The objects of an event: from the properties, or from an asset in S3 whose content is verified."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from .errors import HandlerError
from .objects import ObjectRef, in_order, parse

#: Largest manifest, unpacked: well over any one object that an API server takes (3 MB), small in the function's memory.
LARGEST_BYTES = 32 * 1024 * 1024


def load(properties: Mapping[str, Any], aws: Callable[[str], Any]) -> list[dict[str, Any]]:
    """All objects, in the order in which they are applied. Raises ``HandlerError``."""
    asset = properties.get("ManifestAsset")
    return parse(_download(asset, aws("s3")) if asset else _inline(properties))


def references(properties: Mapping[str, Any]) -> list[ObjectRef]:
    """What the objects are called, in the order in which they are applied; never reads the asset."""
    if properties.get("ManifestAsset"):
        return [ObjectRef.of(item) for item in in_order(properties["Objects"])]
    return [ObjectRef.of(item) for item in parse(_inline(properties))]


def _inline(properties: Mapping[str, Any]) -> str:
    try:
        return str(properties["Manifest"])
    except KeyError:
        raise HandlerError("one of the properties Manifest and ManifestAsset is needed") from None


def _download(asset: Mapping[str, str], s3: Any) -> bytes:
    where = f"s3://{asset['Bucket']}/{asset['Key']}"
    try:
        data: bytes = s3.get_object(Bucket=asset["Bucket"], Key=asset["Key"])["Body"].read()
    except ClientError as error:
        raise HandlerError(f"the manifest {where} could not be read: {error}") from None
    found = hashlib.sha256(data).hexdigest()
    if found != asset["Sha256"]:
        raise HandlerError(f"the manifest {where} has the SHA-256 {found}, expected {asset['Sha256']}")
    if data.startswith(b"\x1f\x8b"):
        data = _unpack(data, where)
    return data


def _unpack(data: bytes, where: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            unpacked = packed.read(LARGEST_BYTES + 1)
    except (OSError, EOFError) as error:
        raise HandlerError(f"the manifest {where} is not readable gzip: {error}") from None
    if len(unpacked) > LARGEST_BYTES:
        raise HandlerError(f"the manifest {where} unpacks to more than {LARGEST_BYTES} bytes")
    return unpacked
