"""The examples of the pages have no findings that the page does not mention."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from assembly import ROOT
from aws_cdk import App
from constructs import Construct
from test_construct_pages import unnamed

from hyperpod_constructs.assembly.synth import cdk_context

BLOCKS = [
    pytest.param(path.read_text(), block, id=f"{path.stem}-{index}")
    for path in sorted((ROOT / "docs").glob("*.md"))
    for index, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.S))
    if re.search(r"\bApp\(", block)
]


def test_some_examples_create_an_app() -> None:
    assert len(BLOCKS) >= 5


@pytest.mark.slow
@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_an_example_synthesizes_without_a_finding_that_its_page_does_not_name(
    page: str, block: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDK_CONTEXT_JSON", json.dumps(cdk_context()))  # the flags of cdk.json
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(block, "page", "exec"), names)
    constructs = [name for name in names.values() if isinstance(name, Construct)]
    apps = {root for item in constructs if isinstance(root := item.node.root, App)}
    assert apps
    for app in apps:
        app.synth()
        assert unnamed(app, page) == set()
