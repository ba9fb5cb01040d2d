"""The distributions of this project, built and installed into a separate environment, outside the checkout.

Nothing is fetched. The environment has our wheel, and links to what the wheel declares to need, taken from the environment
of the tests. So a module that we import and do not declare is missing there. Not proved: that the package index has these
versions, and that an installer finds a set of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from assembly import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OWN = "hyperpod-constructs"


def built(folder: Path, kind: str, source: Path = ROOT) -> Path:
    """The wheel or the sdist of a source tree."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)
    (found,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return found


def needed(requirements: Iterable[str]) -> dict[str, Distribution]:
    """The distributions that requirements name, recursively, by name, without this project."""
    found: dict[str, Distribution] = {}
    todo = [Requirement(text) for text in requirements]
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        for extra in requirement.extras or {""}:
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            key = f"{name}[{extra}]" if extra else name
            if key in found or name == OWN:
                continue
            found[key] = distribution(name)
            for text in found[key].requires or ():
                below = Requirement(text)
                if below.marker is None or below.marker.evaluate({"extra": extra}):
                    below.marker = None
                    todo.append(below)
    return found


def linked(distributions: Iterable[Distribution], folder: Path) -> None:
    """Links to the files of distributions, by their first folder."""
    for item in distributions:
        for top in {file.parts[0] for file in item.files or ()} - {"..", "__pycache__"}:
            target = folder / top
            if not target.exists():
                target.symlink_to(Path(str(item.locate_file(top))).resolve())


def environment(folder: Path, wheel: Path, requirements: Iterable[str] = ()) -> Path:
    """A virtual environment with a wheel of this project and its dependencies; returns the folder of commands."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*pip, str(wheel)], check=True, capture_output=True, text=True, env={**os.environ, "PIP_NO_INPUT": "1"}
    )
    (site,) = folder.glob("lib/python*/site-packages")
    (metadata,) = site.glob("hyperpod_constructs-*.dist-info")
    linked(needed([*required(Distribution.at(metadata)), *requirements]).values(), site)
    return python.parent


def required(own: Distribution) -> Iterator[str]:
    """The requirements without extras."""
    for text in own.requires or ():
        marker = Requirement(text).marker
        if marker is None or marker.evaluate({"extra": ""}):
            yield text
