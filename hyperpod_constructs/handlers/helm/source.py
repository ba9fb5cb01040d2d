"""Sources of a chart: an upstream commit, an asset in S3, or an OCI registry. The chart is verified before it is used."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from ..shared.within import within
from .binary import Helm, HelmError
from .errors import ChartError, TooLarge
from .folder import MAX_ARCHIVE_BYTES, unpack_tar, unpack_zip, verify
from .subcharts import Dependency, is_loopback

_ATTEMPTS = 5
_REDIRECTS = 3
_CONNECT_SECONDS, _READ_SECONDS = 10.0, 30.0
_ECR_HOST = re.compile(r"^\d{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$")
_OCI_DIGEST = re.compile(r"^Digest:\s*(sha256:[0-9a-f]{64})\s*$", re.MULTILINE)


def obtain(chart: Mapping[str, Any], work: Path, helm: Helm, *, sleep: Callable[[float], None] = time.sleep) -> Path:
    """Downloads a chart into a folder of `work`, and verifies that it matches the pinned digest.

    Raises:
        ChartError: it is not available, or its digest differs.
    """
    folder = work / "chart"
    kind = chart["Kind"]
    if kind == "git":
        download(chart["ArchiveUrl"], chart["Path"], folder, sleep=sleep, seconds_left=helm.seconds_left)
    elif kind == "asset":
        _asset(chart["Bucket"], chart["Key"], folder)
    elif kind == "oci":
        return _oci(chart, work, helm)
    else:
        raise ChartError(f"unknown kind of chart source {kind!r}")
    verify(folder, chart["Digest"])
    print(f"the chart matches the pinned digest: {chart['Digest']}")
    return folder


def download(
    url: str,
    inside: str,
    folder: Path,
    *,
    sleep: Callable[[float], None] = time.sleep,
    seconds_left: Callable[[], float] = lambda: 600.0,
) -> None:
    """Downloads a repository's archive over https, and unpacks one folder of it.

    Server errors and broken connections are retried a few times; a rejection (404) is not. The download may take half of
    the remaining time in total.

    Raises:
        ChartError: the download failed; the message has the URL and the cause.
    """
    seconds = max(1.0, seconds_left() / 2)
    try:
        within(seconds, lambda: _download(url, inside, folder, sleep))
    except TimeoutError:
        raise ChartError(
            f"the download of the chart's archive {url} took longer than {seconds:.0f} s; try again later"
        ) from None


def _download(url: str, inside: str, folder: Path, sleep: Callable[[float], None]) -> None:
    import urllib3  # imported here because the command line, which shares this module, rarely downloads a chart

    _check_https(url)
    timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS)
    problem = ""
    with urllib3.PoolManager(timeout=timeout, retries=False) as pool:
        for attempt in range(_ATTEMPTS):
            if attempt:
                sleep(2.0**attempt)
                shutil.rmtree(folder, ignore_errors=True)
            try:
                response = _get(pool, url)
                try:
                    if response.status == 200:
                        _reject_large(response.headers.get("content-length"))
                        unpack_tar(response, inside, folder)
                        return
                finally:
                    response.close()
            except urllib3.exceptions.HTTPError as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            except ChartError as error:
                raise ChartError(f"the chart's archive {url}: {error}") from error
            problem = f"the server returned {response.status} {response.reason or ''}".strip()
            if response.status != 429 and response.status < 500:
                break
    raise ChartError(
        f"the chart's archive {url} cannot be downloaded: {problem}. In a network without access to it, use "
        "a vendored chart folder"
    )


def _check_https(url: str) -> None:
    if urlsplit(url).scheme != "https" and not is_loopback(url):
        raise ChartError(f"the chart's archive must be downloaded over https, not from {url}")


def _get(pool: Any, url: str) -> Any:
    """Returns the response after at most three redirects; redirects to http are rejected."""
    for _ in range(_REDIRECTS + 1):
        response = pool.request("GET", url, preload_content=False, decode_content=False, redirect=False)
        location = response.get_redirect_location()
        if not location:
            return response
        response.close()
        url = urljoin(url, location)
        _check_https(url)
    raise ChartError(f"more than {_REDIRECTS} redirects, the last one to {url}")


def pull_subchart(
    dependency: Dependency, into: Path, helm: Helm, *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Pulls one sub-chart's package; three attempts, because repositories are reached over the internet.

    Raises:
        ChartError: the pull failed; the message has the repository and helm's error.
    """
    if dependency.repository.startswith("oci://"):
        where = [f"{dependency.repository.rstrip('/')}/{dependency.name}"]
    else:
        where = [dependency.name, "--repo", dependency.repository]
    if is_loopback(dependency.repository) and dependency.repository.startswith("oci://"):
        where.append("--plain-http")
    for attempt in range(3):
        try:
            helm.run(["pull", *where, "--version", dependency.version, "--destination", str(into)])
            return
        except HelmError as error:
            if attempt == 2:
                raise ChartError(
                    f"sub-chart {dependency.name} {dependency.version} cannot be fetched from "
                    f"{dependency.repository}: {error}. In a network without access to it, use a vendored "
                    "chart folder"
                ) from error
        sleep(2.0 ** (attempt + 1))


def registry_config(reference: str, work: Path) -> Path | None:
    """Returns credentials for a private ECR registry, in a private file; None for other registries."""
    host = urlsplit(reference).netloc
    region = _ECR_HOST.match(host)
    if region is None:
        return None
    import boto3

    data = boto3.client("ecr", region_name=region[1]).get_authorization_token()["authorizationData"][0]
    file = work / "registry.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps({"auths": {host: {"auth": data["authorizationToken"]}}}))
    return file


def _reject_large(content_length: str | None) -> None:
    if content_length and int(content_length) > MAX_ARCHIVE_BYTES:
        raise TooLarge(f"the archive has {int(content_length):,} bytes, more than {MAX_ARCHIVE_BYTES:,}")


def _asset(bucket: str, key: str, folder: Path) -> None:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    package = folder.with_suffix(".zip")
    s3 = boto3.client("s3")
    try:
        _reject_large(str(s3.head_object(Bucket=bucket, Key=key)["ContentLength"]))
        s3.download_file(bucket, key, str(package))
    except (BotoCoreError, ClientError) as error:
        raise ChartError(f"the chart's asset s3://{bucket}/{key} cannot be downloaded: {error}") from error
    unpack_zip(package, folder)


def _oci(chart: Mapping[str, Any], work: Path, helm: Helm) -> Path:
    reference, version, wanted = chart["Reference"], chart["Version"], chart["Digest"]
    pulled = work / "pulled"
    arguments = ["pull", reference, "--version", version, "--destination", str(pulled)]
    credentials = registry_config(reference, work)
    if credentials is not None:
        arguments += ["--registry-config", str(credentials)]
    if is_loopback(reference):
        arguments.append("--plain-http")
    pulled.mkdir()
    try:
        output = helm.run(arguments)
    except HelmError as error:
        raise ChartError(f"{reference} {version} cannot be pulled: {error}") from error
    found = _OCI_DIGEST.search(output)
    if found is None or found[1] != wanted:
        actual = found[1] if found else "unknown"
        raise ChartError(
            f"{reference} {version} differs from the pinned digest: its digest is {actual}, expected {wanted}"
        )
    (package,) = pulled.glob("*.tgz")
    folder = work / "chart"
    with package.open("rb") as stream:
        unpack_tar(stream, "", folder)
    return folder
