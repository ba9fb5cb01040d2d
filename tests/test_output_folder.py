"""The output folder of the app: it is replaced completely, and only if it is an output of CDK."""

from __future__ import annotations

from pathlib import Path

import pytest
from assembly import ROOT

from hyperpod_constructs.assembly import synth


class Synthesized:
    """A replacement for a CDK app that writes a cloud assembly with one file."""

    def __init__(self, outdir: str) -> None:
        self._outdir = Path(outdir)

    def synth(self) -> None:
        (self._outdir / "cdk.out").write_text("{}")


@pytest.fixture(autouse=True)
def without_cdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CDK_OUTDIR", raising=False)
    monkeypatch.setattr(synth, "build", lambda platforms, context, outdir: Synthesized(outdir))


def run(outdir: Path) -> int:
    return synth.main([ROOT / "hyperpod.yaml"], outdir)


@pytest.mark.parametrize(
    "earlier",
    [[], ["asset.0123"], ["cdk.out", "asset.0123", "mine.template.json"]],
    ids=["empty", "after a failed cdk synth", "a cloud assembly"],
)
def test_an_output_of_cdk_is_replaced(tmp_path: Path, earlier: list[str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in earlier:
        (out / name).touch()
    assert run(out) == 0
    assert [path.name for path in out.iterdir()] == ["cdk.out"]
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_with_other_files_is_refused_and_unchanged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("earlier")
    assert run(tmp_path) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"hyperpod: the output folder {tmp_path} contains 'mine.txt' and is not an output of CDK: specify another path in "
        "HYPERPOD_OUT; nothing was synthesized"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert (tmp_path / "mine.txt").read_text() == "earlier"


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    assert run(tmp_path / "out") == 0
    assert (tmp_path / "out").is_symlink()
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["cdk.out"]


def test_the_folder_of_an_app_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder contains an output, in a folder with the name of a file that each output has."""
    (tmp_path / "cdk.out").mkdir()
    (tmp_path / "app.py").touch()
    assert run(tmp_path) == 1
    assert f"the output folder {tmp_path} contains 'app.py' and is not an output of CDK" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.py", "cdk.out"]


@pytest.mark.parametrize(("place", "reason"), [("file", "Not a directory"), ("file/out", "File exists")])
def test_a_file_in_its_place_is_reported(
    place: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert run(tmp_path / place) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"hyperpod: the output folder {tmp_path / place} cannot be written ({reason}): specify another path in "
        "HYPERPOD_OUT; nothing was synthesized"
    )
    assert (tmp_path / "file").read_text() == "mine"
