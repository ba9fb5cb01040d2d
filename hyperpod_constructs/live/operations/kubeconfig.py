"""Contexts in a kubeconfig, as `aws eks update-kubeconfig` writes them; existing entries are kept."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

API_VERSION = "client.authentication.k8s.io/v1beta1"


class NameTaken(ValueError):
    """Raised if a context of the same name belongs to another cluster."""


class UnusableKubeconfig(ValueError):
    """Raised for an invalid kubeconfig file, which is not changed."""


@dataclass(frozen=True, slots=True)
class Current:
    """The current context of kubectl."""

    name: str
    server: str | None
    namespace: str | None
    eks: str | None
    """Name of the EKS cluster, if the context gets its token from the AWS CLI."""
    region: str | None
    profile: str | None


def path() -> Path:
    """The file to write: the first in KUBECONFIG, otherwise `~/.kube/config`."""
    first = next((part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part), None)
    return Path(first) if first else Path.home() / ".kube" / "config"


def entries(
    cluster: Mapping[str, Any], *, region: str, profile: str | None, namespace: str | None, alias: str | None
) -> dict[str, Any]:
    """The kubeconfig of one EKS cluster; `cluster` is from `eks:DescribeCluster`. The AWS CLI creates the tokens."""
    arn = cluster["arn"]
    user: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "command": "aws",
        "args": ["--region", region, "eks", "get-token", "--cluster-name", cluster["name"], "--output", "json"],
    }
    if profile:
        user["env"] = [{"name": "AWS_PROFILE", "value": profile}]
    context = {"cluster": arn, "user": arn} | ({"namespace": namespace} if namespace else {})
    server = {"server": cluster["endpoint"], "certificate-authority-data": cluster["certificateAuthority"]["data"]}
    name = alias or arn
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": arn, "cluster": server}],
        "users": [{"name": arn, "user": {"exec": user}}],
        "contexts": [{"name": name, "context": context}],
        "current-context": name,
    }


def merged(existing: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Merges a kubeconfig into another one; entries of the same name are replaced.

    >>> merged({"users": [{"name": "a"}], "preferences": {}}, {"users": [{"name": "b"}], "current-context": "b"})
    {'users': [{'name': 'a'}, {'name': 'b'}], 'preferences': {}, 'current-context': 'b'}

    Raises:
        NameTaken: a context of the same name belongs to another cluster.
    """
    result = dict(existing)
    for context in new.get("contexts", ()):
        existing_context = _named(existing, "contexts", context["name"], "context")
        if existing_context is not None and existing_context.get("cluster") != context["context"]["cluster"]:
            raise NameTaken(
                f"the context {context['name']!r} belongs to the cluster {existing_context.get('cluster')!r}"
            )
    for key, value in new.items():
        if isinstance(value, list):
            names = {entry["name"] for entry in value}
            result[key] = [entry for entry in existing.get(key) or () if entry.get("name") not in names] + value
        else:
            result[key] = value
    return result


def read(file: Path) -> dict[str, Any]:
    """The content of a kubeconfig; empty if the file does not exist.

    Raises:
        UnusableKubeconfig: it is not a YAML mapping.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UnusableKubeconfig(f"{file} is not a valid kubeconfig: {error}") from error
    if content is None:
        return {}
    lists = ("clusters", "users", "contexts")
    if not isinstance(content, dict) or any(not isinstance(content.get(key) or [], list) for key in lists):
        raise UnusableKubeconfig(
            f"{file} is not a valid kubeconfig: expected a mapping with clusters, users and contexts"
        )
    return content


def write(file: Path, content: Mapping[str, Any]) -> None:
    """Writes a kubeconfig atomically, readable only by its owner; a symbolic link is kept."""
    target = file.resolve()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:  # mkstemp creates it with mode 0600
            yaml.safe_dump(dict(content), stream, sort_keys=False, default_flow_style=False)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def current(content: Mapping[str, Any]) -> Current | None:
    """The current context, None if there is none."""
    name = content.get("current-context")
    context = _named(content, "contexts", name, "context")
    if not name or context is None:
        return None
    cluster = _named(content, "clusters", context.get("cluster"), "cluster") or {}
    user = (_named(content, "users", context.get("user"), "user") or {}).get("exec") or {}
    args = user.get("args") or []
    env = {entry["name"]: entry["value"] for entry in user.get("env") or ()}
    return Current(
        name=name,
        server=cluster.get("server"),
        namespace=context.get("namespace"),
        eks=_after(args, "--cluster-name"),
        region=_after(args, "--region"),
        profile=env.get("AWS_PROFILE"),
    )


def _named(content: Mapping[str, Any], key: str, name: str | None, inner: str) -> dict[str, Any] | None:
    return next((entry.get(inner) or {} for entry in content.get(key) or () if entry.get("name") == name), None)


def _after(args: list[str], option: str) -> str | None:
    return args[args.index(option) + 1] if option in args[:-1] else None
