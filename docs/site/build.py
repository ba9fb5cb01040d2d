"""Builds the documentation site from the pages of this repository: `make docs`.

The pages, and every file that they link to, are copied to a staging folder, so that links work on the site as in the
repository. `zensical build --strict` then fails on each broken link or anchor. Nothing is downloaded.

Usage: python docs/site/build.py OUT [VERSION]
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def pages() -> list[Path]:
    """Returns the Markdown files of the site, relative to the root of the repository."""
    top = [Path(name) for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*top, *sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md"))]


def stage(folder: Path) -> None:
    """Copies the pages and the files that they link to."""
    for page in pages():
        for target in LINK.findall((ROOT / page).read_text()):
            linked = ((ROOT / page).parent / target).resolve()
            if linked.is_dir() and not (linked / "README.md").exists():
                files = sorted(path for path in linked.iterdir() if path.is_file())
                for file in files:
                    copy(file, folder)
                listing = "".join(f"- [{file.name}]({file.name})\n" for file in files)
                (folder / linked.relative_to(ROOT) / "README.md").write_text(f"# {linked.name}\n\n{listing}")
            elif linked.is_file() and linked.suffix != ".md":
                copy(linked, folder)
        copy(ROOT / page, folder)


def copy(file: Path, folder: Path) -> None:
    """Copies a file of the repository to the same place below a folder."""
    copied = folder / file.relative_to(ROOT)
    copied.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, copied)


def config(version: str) -> str:
    """Returns the settings of the generator; `provider = "mike"` is the name of the format of versions.json."""
    return f"""
[project]
site_name = "hyperpod-constructs {version}"
docs_dir = "pages"
site_dir = "site"
use_directory_urls = false
nav = [
  {{ "Start" = "README.md" }},
  {{ "First day" = "docs/first-day.md" }},
  {{ "Pages" = "docs/README.md" }},
  {{ "Rules" = "docs/rules.md" }},
  {{ "Constructs" = "docs/constructs/README.md" }},
  {{ "Changes" = "CHANGELOG.md" }},
  {{ "Contributing" = "CONTRIBUTING.md" }},
]

[project.theme]
font = false

[project.extra.version]
provider = "mike"

[project.markdown_extensions.attr_list]
[project.markdown_extensions.md_in_html]
[project.markdown_extensions.tables]
[project.markdown_extensions.toc]
permalink = true
[project.markdown_extensions.pymdownx.highlight]
[project.markdown_extensions.pymdownx.superfences]
"""


def versions(out: Path, newest: str) -> list[dict[str, object]]:
    """Returns the data of the theme's version menu: the folders that were built, `newest` first."""
    built = sorted((path.name for path in out.iterdir() if (path / "search.json").exists()), reverse=True)
    order = [newest, *(name for name in built if name != newest)]
    return [{"version": name, "title": name, "aliases": ["latest"] if name == newest else []} for name in order]


def build(out: Path, version: str) -> int:
    """Builds one version into its own folder below `out`, and the list of versions; returns the generator's exit code."""
    with tempfile.TemporaryDirectory() as work:
        stage(Path(work) / "pages")
        (Path(work) / "zensical.toml").write_text(config(version))
        generator = Path(sys.executable).with_name("zensical")
        done = subprocess.run([generator, "build", "--strict"], cwd=work, check=False)
        if done.returncode:
            return done.returncode
        shutil.rmtree(out / version, ignore_errors=True)
        shutil.copytree(Path(work) / "site", out / version)
    (out / "versions.json").write_text(json.dumps(versions(out, version), indent=1) + "\n")
    (out / "index.html").write_text(f'<meta http-equiv="refresh" content="0; url={version}/index.html">\n')
    return 0


def main(arguments: list[str]) -> int:
    """Runs the command line. Default version: that of the package."""
    if not arguments or len(arguments) > 2:
        print(__doc__, file=sys.stderr)
        return 2
    from importlib.metadata import version

    return build(Path(arguments[0]), arguments[1] if len(arguments) > 1 else version("hyperpod-constructs"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
