"""The objects of an event: from the properties, or from an asset in S3 with a verified digest."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from .errors import ApiError, HandlerError
from .objects import ObjectRef, in_order, parse, with_data
from .services import Services
from .timing import Deadline, RetriesExhausted, retrying

#: Largest unpacked manifest. It exceeds the largest object that an API server accepts (3 MB), and fits into memory.
LARGEST_BYTES = 32 * 1024 * 1024


def load(properties: Mapping[str, Any], services: Services, deadline: Deadline) -> list[dict[str, Any]]:
    """Returns all objects, in the order in which they are applied. Raises ``HandlerError``."""
    asset = properties.get("ManifestAsset")
    found = parse(_asset(asset, services.aws("s3"), deadline) if asset else _inline(properties))
    return [with_data(item) for item in found]


def references(properties: Mapping[str, Any]) -> list[ObjectRef]:
    """Returns the references of the objects, in the order in which they are applied; never reads the asset."""
    if properties.get("ManifestAsset"):
        return [ObjectRef.of(item) for item in in_order(properties["Objects"])]
    return [ObjectRef.of(item) for item in parse(_inline(properties))]


def _inline(properties: Mapping[str, Any]) -> str:
    try:
        return str(properties["Manifest"])
    except KeyError:
        raise HandlerError("either Manifest or ManifestAsset is required") from None


def _asset(asset: Mapping[str, str], s3: Any, deadline: Deadline) -> bytes:
    where = f"s3://{asset['Bucket']}/{asset['Key']}"
    try:
        data = retrying(lambda: _download(asset, s3), deadline)
    except (ApiError, RetriesExhausted, ClientError) as error:
        raise HandlerError(f"the manifest {where} could not be read: {error}") from None
    found = hashlib.sha256(data).hexdigest()
    if found != asset["Sha256"]:
        raise HandlerError(f"the manifest {where} has the SHA-256 {found}, expected {asset['Sha256']}")
    return _unpack(data, where) if data.startswith(b"\x1f\x8b") else data


def _download(asset: Mapping[str, str], s3: Any) -> bytes:
    try:
        data: bytes = s3.get_object(Bucket=asset["Bucket"], Key=asset["Key"])["Body"].read()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "AccessDenied":
            # The same deployment creates the permission, which is effective after some seconds.
            raise ApiError(403, code, str(error)) from None
        raise
    return data


def _unpack(data: bytes, where: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            unpacked = packed.read(LARGEST_BYTES + 1)
    except (OSError, EOFError) as error:
        raise HandlerError(f"the manifest {where} is not valid gzip data: {error}") from None
    if len(unpacked) > LARGEST_BYTES:
        raise HandlerError(f"the manifest {where} unpacks to more than {LARGEST_BYTES} bytes")
    return unpacked
