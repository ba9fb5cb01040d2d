"""Runs the helm binary with a private environment and a deadline; the end of its output is the error text."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

LAYER_BINARY = "/opt/helm/helm"
"""Path of helm in the layer."""

_KEPT = ("PATH", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "SSL_CERT_FILE")
_NOISE = re.compile(r"WARNING:|level=(?:DEBUG|INFO|WARN)(?!.* error=)|[IWE]\d{4} \d\d:")
_GRACE_SECONDS = 10.0
_MAX_BYTES = 900


class HelmError(Exception):
    """Helm failed; the message is the end of its output."""

    def __init__(self, output: str) -> None:
        self.output = output
        super().__init__(error_excerpt(output))


class Helm:
    """The helm binary with its caches in a private folder.

    Args:
        work: a private folder for helm's caches and configuration.
        executable: path of the binary.
        seconds_left: remaining time of a run; helm is terminated at its end, so that it can record the release's state
            before the function itself is terminated.
        redact: replaces secrets in helm's errors.
    """

    def __init__(
        self,
        work: Path,
        *,
        executable: str = LAYER_BINARY,
        seconds_left: Callable[[], float] = lambda: 300.0,
        redact: Callable[[str], str] = lambda text: text,
    ) -> None:
        self._executable = executable
        self._redact = redact
        self.seconds_left = seconds_left
        # No other variables: helm requires no AWS credentials, and the layers' library path breaks other programs.
        self._environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {
            "HOME": str(work),
            "HELM_CACHE_HOME": str(work / "helm-cache"),
            "HELM_CONFIG_HOME": str(work / "helm-config"),
            "HELM_DATA_HOME": str(work / "helm-data"),
        }

    def run(self, arguments: Sequence[str]) -> str:
        """Returns helm's output.

        Raises:
            HelmError: it failed, or exceeded the time limit.
        """
        with subprocess.Popen(
            [self._executable, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process:
            try:
                output, error_output = process.communicate(timeout=max(1.0, self.seconds_left()))
            except subprocess.TimeoutExpired:
                process.terminate()
                try:
                    output, error_output = process.communicate(timeout=_GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    output, error_output = process.communicate()
                raise HelmError(f"{self._redact(error_output)}\nhelm was terminated at the time limit") from None
        if process.returncode != 0:
            raise HelmError(self._redact(error_output or output))
        return output + error_output


def error_excerpt(output: str) -> str:
    r"""Returns the end of an output in the size of a CloudFormation event, without blank lines, warnings and log lines.

    >>> error_excerpt("a\n\nError: no such chart\n")
    'a; Error: no such chart'
    """
    lines = [line.strip() for line in output.splitlines() if line.strip() and not _NOISE.match(line)]
    text = "; ".join(lines[-12:])
    return text if len(text.encode()) <= _MAX_BYTES else "..." + text.encode()[-_MAX_BYTES:].decode(errors="ignore")
