"""Lambda entry point: copies the files of a CDK asset, and the settings of the default scripts, into the scripts' bucket.

The prefix is a hash of the content, so a repeated copy writes the same objects. No objects are deleted: nodes that
start may read the scripts of an earlier deployment, or those of a rollback.
"""

from __future__ import annotations

import io
import logging
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from ..shared.refusals import until_allowed

log = logging.getLogger(__name__)
logging.getLogger().setLevel(logging.INFO)

SETTINGS = "settings.env"
"""The file from which `on_create.sh` reads its settings."""


def on_event(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    import boto3

    return answer(event, boto3.client("s3"))


def answer(event: Mapping[str, Any], s3: Any, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """Copies the scripts to the bucket, and returns their S3 URI as the physical id.

    Raises:
        ClientError: S3 rejects a request; files that were already copied are retained.
    """
    if event["RequestType"] == "Delete":
        # the received id: CloudFormation generates one if the response to a Create was lost
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    wanted = event["ResourceProperties"]
    until_allowed(lambda: copy(wanted, s3), sleep)
    return {"PhysicalResourceId": f"s3://{wanted['Bucket']}/{wanted['Prefix']}/"}


def copy(wanted: Mapping[str, Any], s3: Any) -> None:
    """Writes all files below the prefix. The content is streamed, so that the memory does not limit its size."""
    bucket, prefix = wanted["Bucket"], wanted["Prefix"]
    with tempfile.TemporaryFile() as file:
        s3.download_fileobj(wanted["Source"]["Bucket"], wanted["Source"]["Key"], file)
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if not entry.is_dir():
                    with archive.open(entry) as content:
                        s3.upload_fileobj(content, bucket, f"{prefix}/{entry.filename}")
                    log.info("copied %s/%s", prefix, entry.filename)
    if "Settings" in wanted:
        s3.upload_fileobj(io.BytesIO(wanted["Settings"].encode()), bucket, f"{prefix}/{SETTINGS}")
