"""Reads synthesized templates: a cloud assembly (`cdk.out`), template files, or plain dicts.

The result is a tuple of `Stack`, each with its nested stacks. For a cloud assembly, it includes deployed names,
environments, stages, stack dependencies, and the construct path of each logical id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

Template: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Stack:
    """One CloudFormation stack: its template, and its deployment information in the cloud assembly.

    `name` is unique in a set (a cloud assembly's construct path, such as `Prod/Network`); `stack_name` is the deployed
    name, if it differs; `environment` is `aws://account/region`; `stage` is the nested assembly that it belongs to;
    `depends_on` holds names of stacks that are deployed before this one and deleted after it.
    """

    name: str
    template: Template
    stack_name: str = ""
    environment: str = ""
    stage: str = ""
    depends_on: tuple[str, ...] = ()
    nested: Mapping[str, Stack] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """The template's resources by logical id."""
        return self.template.get("Resources") or {}

    @property
    def deployed_name(self) -> str:
        """The name in CloudFormation."""
        return self.stack_name or self.name


Source: TypeAlias = str | Path | Stack | Mapping[str, Template] | Iterable[str | Path | Stack]


def load(source: Source) -> tuple[Stack, ...]:
    """Every stack of `source`: a `cdk.out` folder, a template file, dicts by stack name, or a list of files or stacks.

    Raises `FileNotFoundError` for a missing path and `ValueError` for a file that is not a template.

    >>> [stack.name for stack in load({"Net": {"Resources": {}}})]
    ['Net']
    """
    if isinstance(source, Stack):
        return (source,)
    if isinstance(source, (str, Path)):
        path = Path(source)
        return tuple(_assembly(path)) if path.is_dir() else (_template_file(path),)
    if isinstance(source, Mapping):
        return tuple(Stack(name, template) for name, template in source.items())
    return tuple(stack for item in source for stack in load(item))


def _template_file(path: Path) -> Stack:
    name = path.name.split(".")[0]
    return Stack(name, _read_template(path))


def _read_template(path: Path) -> Template:
    text = path.read_text(encoding="utf-8")
    document: object
    if path.suffix in {".yaml", ".yml"}:
        document = _load_yaml(text)
    else:
        try:
            document = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is not a CloudFormation template in JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise ValueError(f"{path} is not a CloudFormation template: it has no Resources")
    return document


def _load_yaml(text: str) -> object:
    import yaml

    class Loader(yaml.SafeLoader):
        """Reads CloudFormation's short forms (`!Ref x`) as long forms."""

    def intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
        value: Any
        if isinstance(node, yaml.ScalarNode):
            value = loader.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            value = loader.construct_sequence(node, deep=True)
        else:
            value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
        return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}

    Loader.add_multi_constructor("!", intrinsic)
    return yaml.load(text, Loader)


def _assembly(folder: Path, stage: str = "") -> Iterator[Stack]:
    manifest_file = folder / "manifest.json"
    if not manifest_file.is_file():
        raise FileNotFoundError(f"{folder} is not a cloud assembly: it has no manifest.json (run `cdk synth` first)")
    artifacts: dict[str, Any] = json.loads(manifest_file.read_text(encoding="utf-8")).get("artifacts", {})
    stacks = {key: value for key, value in artifacts.items() if value["type"] == "aws:cloudformation:stack"}
    names = {key: value.get("displayName", key) for key, value in stacks.items()}
    assets = _template_assets(folder, artifacts)
    for key, artifact in stacks.items():
        properties = artifact["properties"]
        template = _read_template(folder / properties["templateFile"])
        yield Stack(
            name=names[key],
            template=template,
            stack_name=properties.get("stackName", key),
            environment=artifact.get("environment", ""),
            stage=stage,
            depends_on=tuple(names[other] for other in artifact.get("dependencies", ()) if other in names),
            nested=dict(_nested(folder, names[key], artifact.get("environment", ""), stage, template, assets)),
            paths=_paths(folder, artifact),
        )
    for artifact in artifacts.values():
        if artifact["type"] == "cdk:cloud-assembly":
            properties = artifact["properties"]
            inner = folder / properties["directoryName"]
            yield from _assembly(inner, properties.get("displayName", properties["directoryName"]))


def _template_assets(folder: Path, artifacts: Mapping[str, Any]) -> dict[str, str]:
    """Template files among the assets, by the object key they are published under."""
    found: dict[str, str] = {}
    for artifact in artifacts.values():
        if artifact["type"] != "cdk:asset-manifest":
            continue
        asset_manifest = json.loads((folder / artifact["properties"]["file"]).read_text(encoding="utf-8"))
        for asset in asset_manifest.get("files", {}).values():
            path = asset.get("source", {}).get("path", "")
            if path.endswith(".json"):
                found.update({where["objectKey"]: path for where in asset.get("destinations", {}).values()})
    return found


def _nested(
    folder: Path, parent: str, environment: str, stage: str, template: Template, assets: Mapping[str, str]
) -> Iterator[tuple[str, Stack]]:
    for logical_id, resource in template["Resources"].items():
        if resource.get("Type") != "AWS::CloudFormation::Stack":
            continue
        file = resource.get("Metadata", {}).get("aws:asset:path") or _published(
            resource.get("Properties", {}).get("TemplateURL"), assets
        )
        if not file:
            continue  # a template outside the assembly: the nested stack is one opaque resource
        inner = _read_template(folder / file)
        name = f"{parent}.{logical_id}"
        nested = dict(_nested(folder, name, environment, stage, inner, assets))
        yield logical_id, Stack(name, inner, environment=environment, stage=stage, nested=nested)


def _published(url: object, assets: Mapping[str, str]) -> str | None:
    text = json.dumps(url)
    return next((path for key, path in assets.items() if key in text), None)


def _paths(folder: Path, artifact: Mapping[str, Any]) -> dict[str, str]:
    """Construct path by logical id, so that messages can use the construct names of the app."""
    metadata: dict[str, list[dict[str, Any]]] = artifact.get("metadata", {})
    extra = artifact.get("additionalMetadataFile")
    if extra and (folder / extra).is_file():
        metadata = metadata | json.loads((folder / extra).read_text(encoding="utf-8"))
    return {
        entry["data"]: path.strip("/")
        for path, entries in metadata.items()
        for entry in entries
        if entry.get("type") == "aws:cdk:logicalId" and isinstance(entry.get("data"), str)
    }
