"""The script of docs/closed-network.md that configures an HTTP proxy, run with a folder in place of the node's root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from assembly import ROOT

PAGE = (ROOT / "docs" / "closed-network.md").read_text()
BASH = shutil.which("bash") or "/bin/bash"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (block,) = [text for text in re.findall(r"```bash\n(.*?)```", PAGE, re.S) if "05-proxy" in text]
    assert "on_create.d/05-proxy.sh" in PAGE
    path = tmp_path / "05-proxy.sh"
    path.write_text(block)
    return path


def test_containerd_and_the_kubelet_get_the_proxy(script: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "systemctl").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/systemctl.log\n')
    (tools / "systemctl").chmod(0o755)
    node = tmp_path / "node"
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "NODE_ROOT": str(node)}
    completed = subprocess.run([BASH, script], env=environment, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    for unit in ("containerd", "kubelet"):
        text = (node / f"etc/systemd/system/{unit}.service.d/05-proxy.conf").read_text()
        assert text.startswith("[Service]\n")
        settings = dict(re.findall(r'"(\w+)=([^"]*)"', text))
        assert settings["HTTPS_PROXY"] == settings["HTTP_PROXY"] == "http://proxy.corp.example:3128"
        direct = settings["NO_PROXY"].split(",")
        # instance metadata, pod identity, and the Kubernetes API and its services are reached without the proxy
        assert {"169.254.169.254", "169.254.170.23", ".eks.amazonaws.com", ".svc", "localhost"} <= set(direct)
    assert (tmp_path / "systemctl.log").read_text() == "daemon-reload\n"


def test_the_page_states_what_cannot_use_a_proxy() -> None:
    assert "the deployment functions and the functions of CDK do not support a proxy" in PAGE
