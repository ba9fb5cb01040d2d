"""Reads YAML with the helm binary: Lambda's Python has no YAML parser, and values must be read as helm reads them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .binary import Helm, HelmError
from .errors import ChartError
from .subcharts import ReadYaml, walk

_TEMPLATE = """{{- $read := dict -}}
{{- range $path, $text := .Files.Glob "files/*" -}}
{{- $_ := set $read $path ($text | toString | fromYaml) -}}
{{- end -}}
{{ $read | toJson }}
"""
_NAMES = ("Chart.yaml", "Chart.lock", "values.yaml")


def reader(chart: Path, helm: Helm, work: Path) -> ReadYaml:
    """Reads the metadata and values of a chart and its sub-charts in one call, and returns a function that looks them up.

    Raises:
        ChartError: a file is not a YAML mapping.
    """
    files = [folder / name for folder in walk(chart) for name in _NAMES if (folder / name).is_file()]
    wrapper = work / "read-yaml"
    shutil.rmtree(wrapper, ignore_errors=True)
    (wrapper / "templates").mkdir(parents=True)
    (wrapper / "files").mkdir()
    (wrapper / "Chart.yaml").write_text('{"apiVersion": "v2", "name": "read-yaml", "version": "0.0.0"}')
    (wrapper / "templates" / "read.json").write_text(_TEMPLATE)
    for number, file in enumerate(files):
        shutil.copyfile(file, wrapper / "files" / str(number))
    try:
        output = helm.run(["template", "read", str(wrapper)])
    except HelmError as error:
        raise ChartError(f"the chart's metadata cannot be read: {error}") from error
    content = json.loads(output[output.index("{") : output.rindex("}") + 1])
    read = {file: content[f"files/{number}"] or {} for number, file in enumerate(files)}
    for file, mapping in read.items():
        if set(mapping) == {"Error"}:
            raise ChartError(f"{file.relative_to(chart)} is not a YAML mapping: {mapping['Error']}")
    return _lookup(read)


def _lookup(read: dict[Path, dict[str, Any]]) -> Callable[[Sequence[Path]], list[dict[str, Any]]]:
    return lambda paths: [read.get(path, {}) for path in paths]
