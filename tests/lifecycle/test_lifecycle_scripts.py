"""The lifecycle scripts: accepted by bash and shellcheck, and run with a folder in place of the node's root."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hyperpod_constructs.constructs.lifecycle_scripts import DEFAULT_SCRIPTS, content_hash
from hyperpod_constructs.core.catalog import load

SCRIPTS = sorted(DEFAULT_SCRIPTS.rglob("*.sh"))
SHELLCHECK = shutil.which("shellcheck") or shutil.which("shellcheck", path=str(Path(sys.executable).parent))


class Node:
    """A folder in place of /, with replacements for the commands that would change this machine."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.scripts = folder / "scripts"
        self.log = folder / "log" / "provisioning.log"
        self.calls = folder / "calls"
        self.mounted = folder / "mounted"
        self.active = folder / "active"
        commands = folder / "bin"
        for directory in (self.root, self.mounted, self.active, commands):
            directory.mkdir()
        shutil.copytree(DEFAULT_SCRIPTS, self.scripts)
        for name in ("containerd", "kubelet"):
            (self.root / "var/lib" / name).mkdir(parents=True)
        # `mounted` and `active` hold a file for each mount point and each running service
        mark = f'{folder}/mounted/$(echo "$path" | tr / _)'
        self._command(commands / "mountpoint", f'path=$2; test -e "{mark}"')
        self._command(
            commands / "mount",
            f'echo "mount $*" >>{self.calls}; if [ "$1" = --bind ]; then path=$3; touch "{mark}"; fi',
        )
        self._command(
            commands / "systemctl",
            f'case $1 in is-active) test -e {self.active}/$3;; *) echo "systemctl $*" >>{self.calls};; esac',
        )
        self._command(commands / "sync", "true")
        self.slept = folder / "slept"
        self._command(commands / "sleep", f"echo $1 >>{self.slept}")
        self.path = f"{commands}:/usr/bin:/bin"

    @staticmethod
    def _command(path: Path, body: str) -> None:
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def mount(self, path: str) -> None:
        (self.root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        (self.mounted / str(self.root / path.lstrip("/")).replace("/", "_")).touch()

    def file(self, path: str, text: str, mode: int = 0o644) -> Path:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
        return target

    def called(self) -> list[str]:
        """Commands that would have changed the machine, with paths as the node has them."""
        return self.calls.read_text().replace(str(self.root), "").splitlines() if self.calls.exists() else []

    def run(self, script: str = "on_create.sh", *arguments: str, upload_seconds: int = 0) -> tuple[int, str]:
        """The exit code, and the log (of on_create.sh) or the output (of another script)."""
        environment = {
            "PATH": self.path,
            "NODE_ROOT": str(self.root),
            "MOUNT_SECONDS": "1",
            "ON_CREATE_LOG": str(self.log),
            "ON_CREATE_UPLOAD_SECONDS": str(upload_seconds),
        }
        process = subprocess.run(
            ["bash", str(self.scripts / script), *arguments],
            capture_output=True,
            text=True,
            timeout=600,
            env=environment,
            check=False,
        )
        return process.returncode, self.log.read_text() if script == "on_create.sh" else process.stdout + process.stderr


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node with the default scripts."""
    return Node(tmp_path)


@pytest.fixture
def without_volume(node: Node) -> Node:
    """A node without a second volume, whose scripts have no steps of their own."""
    for script in (node.scripts / "on_create.d").glob("*.sh"):
        script.unlink()
    return node


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_bash_can_parse_it(script: Path) -> None:
    process = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.skipif(SHELLCHECK is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    process = subprocess.run(
        [str(SHELLCHECK), "--severity=style", str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stdout == ""
    assert process.returncode == 0


def test_lines_end_with_a_line_feed() -> None:
    assert not any(b"\r" in script.read_bytes() for script in SCRIPTS)


# ---- on_create.sh ----


def test_its_log_is_the_file_that_the_service_uploads() -> None:
    text = (DEFAULT_SCRIPTS / "on_create.sh").read_text()
    assert f"${{ON_CREATE_LOG:-{load('nodes')['provisioning_log']}}}" in text
    assert f"${{ON_CREATE_UPLOAD_SECONDS:-{load('nodes')['upload_seconds']}}}" in text
    assert load("nodes")["log_group"] in text


def test_without_steps_it_only_logs(without_volume: Node) -> None:
    code, log = without_volume.run()
    assert code == 0
    assert log.splitlines()[0].startswith("on_create: start on ")
    assert log.splitlines()[1:] == ["on_create: done"]


def test_it_runs_the_steps_in_the_order_of_their_names(without_volume: Node) -> None:
    (without_volume.scripts / "on_create.d" / "20-second.sh").write_text("echo two\n")
    (without_volume.scripts / "on_create.d" / "10-first.sh").write_text("echo one >&2\n")
    (without_volume.scripts / "on_create.d" / "notes.txt").write_text("echo never\n")
    code, log = without_volume.run()
    assert code == 0
    assert log.splitlines()[1:] == [
        "on_create: run 10-first.sh",
        "one",
        "on_create: run 20-second.sh",
        "two",
        "on_create: done",
    ]


def test_a_failing_step_is_named_and_the_log_gets_time_to_be_uploaded(without_volume: Node) -> None:
    (without_volume.scripts / "on_create.d" / "10-fail.sh").write_text('echo "about to fail"; exit 3\n')
    (without_volume.scripts / "on_create.d" / "20-next.sh").write_text("echo next\n")
    code, log = without_volume.run(upload_seconds=60)
    assert code == 1
    assert without_volume.slept.read_text() == "60\n"
    assert log.splitlines()[1:] == [
        "on_create: run 10-fail.sh",
        "about to fail",
        "on_create: 10-fail.sh failed with exit code 3",
        "on_create: failed with exit code 1; waiting 60 s for the log to be uploaded",
    ]


def test_an_exception_of_the_function_itself_is_logged(without_volume: Node) -> None:
    (without_volume.scripts / "settings.env").write_text("false\n")
    code, log = without_volume.run()
    assert code == 1
    assert log.splitlines()[-1] == "on_create: failed with exit code 1; waiting 0 s for the log to be uploaded"


def test_settings_reach_the_steps(without_volume: Node) -> None:
    (without_volume.scripts / "settings.env").write_text("CONTAINER_DATA='/a b'\n")
    (without_volume.scripts / "on_create.d" / "10-print.sh").write_text('echo "[$CONTAINER_DATA]"\n')
    assert "[/a b]" in without_volume.run()[1].splitlines()


# ---- container data on another volume ----


def set_volume(node: Node, volume: str) -> None:
    (node.scripts / "settings.env").write_text(f"CONTAINER_DATA={volume}\n")


def test_without_a_setting_it_stays_on_the_root_volume(node: Node) -> None:
    code, log = node.run()
    assert code == 0
    assert "container data: on the root volume" in log
    assert node.called() == []


@pytest.mark.parametrize("volume", sorted(load("nodes")["volumes"].values()))
def test_it_moves_to_the_volume_and_is_mounted_at_its_old_place(node: Node, volume: str) -> None:
    set_volume(node, volume)
    node.mount(volume)
    node.file("/var/lib/containerd/pause-image", "kept")
    code, log = node.run()
    assert code == 0, log
    assert f"container data: on {volume}" in log
    assert (node.root / volume.lstrip("/") / "containerd" / "pause-image").read_text() == "kept"
    mounts = [
        command
        for name in ("containerd", "kubelet")
        for command in (
            f"mount --bind {volume}/{name} /var/lib/{name}",
            f"mount --make-private /var/lib/{name}",
            f"mount --make-shared /var/lib/{name}",
        )
    ]
    assert node.called() == ["systemctl daemon-reload", *mounts]


def test_a_systemd_override_mounts_it_at_every_boot(node: Node) -> None:
    set_volume(node, "/opt/sagemaker")
    node.mount("/opt/sagemaker")
    node.run()
    binder = node.root / "usr/local/sbin/hyperpod-bind-container-data"
    assert os.access(binder, os.X_OK)
    assert binder.read_bytes() == (node.scripts / "bind-container-data.sh").read_bytes()
    for unit in ("containerd", "kubelet"):
        override = node.root / f"etc/systemd/system/{unit}.service.d/10-container-data.conf"
        assert override.read_text() == (
            "[Service]\nExecStartPre=/usr/local/sbin/hyperpod-bind-container-data /opt/sagemaker\n"
        )


def test_running_services_are_stopped_for_it_and_started_in_order(node: Node) -> None:
    set_volume(node, "/opt/sagemaker")
    node.mount("/opt/sagemaker")
    for unit in ("containerd", "kubelet"):
        (node.active / unit).touch()
    assert node.run()[0] == 0
    services = [call for call in node.called() if call.startswith("systemctl")]
    assert services == [
        "systemctl stop kubelet",
        "systemctl stop containerd",
        "systemctl daemon-reload",
        "systemctl start containerd",
        "systemctl start kubelet",
    ]


def test_data_of_an_earlier_image_is_removed(node: Node) -> None:
    """Pull request 884 of awsome-distributed-ai: the volume outlives an update of the AMI."""
    set_volume(node, "/opt/sagemaker")
    node.mount("/opt/sagemaker")
    old = node.file("/opt/sagemaker/containerd/of-amazon-linux-2", "old")
    other = node.file("/opt/sagemaker/other", "somebody's")
    assert node.run()[0] == 0
    assert not old.exists()
    assert other.exists()


def test_a_volume_that_is_not_mounted_is_waited_for_and_reported(node: Node) -> None:
    set_volume(node, "/opt/sagemaker")
    code, log = node.run()
    assert code == 0
    assert "container data: WARNING: /opt/sagemaker is not mounted after 1 s; the data stays on the root volume" in log
    assert node.called() == []


def test_after_a_reboot_only_missing_mounts_are_created(node: Node) -> None:
    node.mount("/opt/sagemaker")
    node.mount("/var/lib/containerd")
    for name in ("containerd", "kubelet"):
        (node.root / "opt/sagemaker" / name).mkdir()
    code, output = node.run("bind-container-data.sh", "/opt/sagemaker")
    assert (code, output) == (0, "")
    assert [call for call in node.called() if "--bind" in call] == [
        "mount --bind /opt/sagemaker/kubelet /var/lib/kubelet"
    ]


def test_after_a_reboot_without_the_volume_services_start_on_the_root_volume(node: Node) -> None:
    code, output = node.run("bind-container-data.sh", "/opt/sagemaker")
    assert code == 0
    assert output == ("/opt/sagemaker is not mounted after 1 s; containerd and the kubelet start on the root volume\n")
    assert node.called() == []


# ---- Lustre over EFA ----


def node_with(node: Node, settings: str, *, efa: bool = True) -> Node:
    (node.scripts / "settings.env").write_text(settings)
    if efa:
        node.file("/opt/amazon/efa/bin/fi_info", "#!/bin/sh\nexit 0\n", 0o755)
    return node


def test_the_setup_script_of_the_image_is_run(node: Node) -> None:
    node_with(node, "LUSTRE_EFA_CLIENT=image\n")
    node.file("/etc/eks/configure-efa-fsx-lustre-client/setup.sh", "#!/bin/sh\necho set up\n", 0o755)
    code, log = node.run()
    assert code == 0
    assert "set up" in log.splitlines()
    assert "Lustre over EFA: configured from image" in log.splitlines()


def test_an_image_without_it_is_reported_and_uses_tcp(node: Node) -> None:
    code, log = node_with(node, "LUSTRE_EFA_CLIENT=image\n").run()
    assert code == 0
    assert "Lustre over EFA: WARNING: the image has no " in log


def test_a_node_without_efa_uses_tcp(node: Node) -> None:
    code, log = node_with(node, "LUSTRE_EFA_CLIENT=image\n", efa=False).run()
    assert code == 0
    assert "Lustre over EFA: this node has no EFA interface; Lustre uses TCP" in log.splitlines()


@pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("unzip") is None, reason="curl or unzip is not installed"
)
@pytest.mark.parametrize("right", [True, False])
def test_a_package_is_run_only_with_its_digest(node: Node, right: bool, tmp_path: Path) -> None:
    package = tmp_path / "client.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("configure-efa-fsx-lustre-client/setup.sh", "echo set up from the package\n")
    digest = hashlib.sha256(package.read_bytes() if right else b"").hexdigest()
    node_with(node, f"LUSTRE_EFA_CLIENT=file://{package}\nLUSTRE_EFA_CLIENT_SHA256={digest}\n")
    code, log = node.run()
    assert code == (0 if right else 1)
    assert ("set up from the package" in log) is right
    assert (f"the SHA-256 digest of file://{package} is not {digest}" in log) is not right


def test_a_changed_script_or_setting_has_another_address(without_volume: Node) -> None:
    before = content_hash(without_volume.scripts)
    assert content_hash(without_volume.scripts, "CONTAINER_DATA=/opt/sagemaker\n") != before
    (without_volume.scripts / "on_create.d" / "10-more.sh").write_text("true\n")
    assert content_hash(without_volume.scripts) != before


def test_the_proxy_script_of_the_page_sets_both_services(node: Node) -> None:
    page = (Path(__file__).parents[2] / "docs" / "closed-network.md").read_text()
    script = page.partition("## Behind an HTTP proxy")[2].partition("```bash\n")[2].partition("```")[0]
    (node.scripts / "on_create.d" / "05-proxy.sh").write_text(script)
    code, log = node.run()
    assert code == 0, log
    for unit in ("containerd", "kubelet"):
        override = (node.root / f"etc/systemd/system/{unit}.service.d/05-proxy.conf").read_text()
        assert override.startswith('[Service]\nEnvironment="HTTPS_PROXY=http://proxy.corp.example:3128" "HTTP_PROXY=')
        assert "169.254.169.254" in override
