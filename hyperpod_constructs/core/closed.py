"""Closed networks: required VPC endpoints, images to copy, and remaining references to external hosts. Pure Python."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .catalog import endpoints_for, mirror_images
from .catalog._files import load
from .spec.cluster import Cluster
from .spec.dependencies import DependencyChart
from .spec.platform import Platform


def features(platform: Platform) -> set[str]:
    """Features of the platform that require additional endpoints, by the catalog's names.

    >>> network = {"availability_zone_ids": ["usw2-az1", "usw2-az2"]}
    >>> platform = Platform(name="a", region="us-west-2", network=network, cluster={}, addons={"spaces": {}})
    >>> sorted(features(platform))
    ['ebs']
    """
    addons = platform.addons.effective()
    cluster = platform.cluster
    uses = {
        "observability": "observability" in addons,
        "ebs": "ebs_csi" in addons,
        "fsx": "fsx_csi" in addons or any(group.lustre or group.open_zfs for group in cluster.instance_groups),
        "kms": bool(cluster.volume_key_arns or platform.eks.secrets_key_arn),
        "inference": "inference_operator" in addons,
        "rig": any(group.reward_functions for group in cluster.restricted_instance_groups),
        "functions": platform.network.functions_in_vpc,
    }
    return {name for name, used in uses.items() if used}


def endpoint_services(platform: Platform) -> list[str]:
    """Services whose endpoints are created automatically; none for an open or existing network."""
    network = platform.network
    if network.mode != "closed" or network.existing:
        return []
    return [endpoint.service for endpoint in endpoints_for(features(platform))]


class ImageCopy(NamedTuple):
    """A public image and the copy that the cluster pulls; `target` is None if no registry is set."""

    component: str
    source: str
    target: str | None


def image_copies(
    chart: DependencyChart, cluster: Cluster, *, kueue: bool = False, registry: str | None = None
) -> list[ImageCopy]:
    """The public images of enabled chart components that the cluster has nodes for.

    >>> from hyperpod_constructs.core.spec import InstanceGroup
    >>> group = InstanceGroup(name="a", instance_type="ml.m5.4xlarge", count=1)
    >>> [copy.component for copy in image_copies(DependencyChart(), Cluster(instance_groups=[group]))]
    ['mpi-operator', 'training-operator', 'pytorch-init']
    """
    from .catalog import find_instance_type

    registry = registry or chart.image_registry
    types = [type_ for group in cluster.groups for name in group.types if (type_ := find_instance_type(name))]
    kinds = {"base", *("gpu" for type_ in types if type_.is_gpu), *("neuron" for type_ in types if type_.is_neuron)}
    found = [
        ImageCopy(image.name, image.image, f"{registry}/{image.path}:{image.tag}" if registry else None)
        for image in mirror_images().values()
        if chart.is_on(image.component) and kinds.intersection(image.needed_for)
        if not (image.name == "pytorch-init" and chart.pytorch_init_image)  # the values set another image
    ]
    if kueue:
        image = load("kueue")["image"]
        source = f"{image['repository']}:{image['tag']}"
        found.append(ImageCopy("kueue", source, f"{registry}/kueue/kueue:{image['tag']}" if registry else None))
    return found


# ---- references to external hosts ----


class ExternalReference(NamedTuple):
    """A reference in a template to a host outside AWS: `where` is `Stack.LogicalId: path`."""

    where: str
    host: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.host} in {self.text!r}"


_URL = re.compile(r"(?:https?|oci|git|ssh)://([A-Za-z0-9.${}:-]+)")
_INSIDE = re.compile(r"(^|\.)(amazonaws\.com(\.cn)?|api\.aws|svc|cluster\.local|localhost)$")
_NO_REFERENCES = ("Description", "description", "Metadata")


def outside(templates: Mapping[str, Mapping[str, Any]]) -> list[ExternalReference]:
    """References in synthesized templates to hosts outside AWS: URLs, charts and images.

    A closed network must have none: the download would fail at deploy time or on the nodes.

    >>> release = {"Type": "Custom::HyperPodHelmRelease", "Properties": {"Chart": {"ArchiveUrl": "https://a.example/x"}}}
    >>> [str(reference) for reference in outside({"Stack": {"Resources": {"Chart": release}}})]
    ["Stack.Chart: Properties.Chart.ArchiveUrl: a.example in 'https://a.example/x'"]
    """
    found = []
    for stack, template in templates.items():
        for name, resource in template.get("Resources", {}).items():
            for path, text in _texts(resource.get("Properties", {}), "Properties"):
                for host in _hosts(text):
                    if not _INSIDE.search(host):
                        found.append(ExternalReference(f"{stack}.{name}: {path}", host, _short(text)))
    return found


_NAMED_IMAGE = re.compile(r"""^\s*-?\s*image:\s*["']?([^\s"'{#]+)["']?\s*$""", re.M)


def outside_chart(name: str, files: Mapping[str, str]) -> list[ExternalReference]:
    """Images of public registries that are hard-coded in a vendored chart's templates.

    >>> [reference.host for reference in outside_chart("chart", {"templates/a.yaml": "  image: quay.io/a/b:1"})]
    ['quay.io']
    """
    return [
        ExternalReference(f"{name}/{path}", host, match[1])
        for path, text in files.items()
        for match in _NAMED_IMAGE.finditer(text)
        if not _INSIDE.search(host := image_host(match[1]))
    ]


def _short(text: str) -> str:
    return text if len(text) < 120 else f"{text[:117]}..."


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """All strings with their paths. `Fn::Join` is one string, with `${}` for values that are known only at deploy time."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        if value.keys() == {"Fn::Join"}:
            separator, parts = value["Fn::Join"]
            if isinstance(parts, list):
                yield path, separator.join(part if isinstance(part, str) else "${}" for part in parts)
                return
        for key, inner in value.items():
            if key not in _NO_REFERENCES:
                yield from _texts(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{index}]")


def _hosts(text: str) -> Iterator[str]:
    for match in _URL.finditer(text):
        host = match[1].rstrip(".:").partition(":")[0]
        if "${}" not in host or not host.endswith("${}"):
            yield host
    try:
        content = json.loads(text)
    except ValueError:
        return
    for image in _images(content):
        if "${}" not in image.partition("/")[0] and "://" not in image:
            yield image_host(image)


def _images(content: Any) -> Iterator[str]:
    """Image references in manifests and chart values, whose parts may be separate keys.

    >>> list(_images({"image": {"registry": "quay.io", "repository": "a/b", "tag": "1"}, "name": "x"}))
    ['quay.io/a/b']
    """
    if isinstance(content, list):
        for item in content:
            yield from _images(item)
    elif isinstance(content, dict):
        parts = [content.get(key) for key in ("registry", "repository", "image")]
        if any(isinstance(part, str) and part for part in parts[1:]):
            yield "/".join(part for part in parts if isinstance(part, str) and part)
        for item in content.values():
            yield from _images(item)


def image_host(image: str) -> str:
    """The registry that an image is pulled from.

    >>> image_host("kubeflow/training-operator:v1"), image_host("nvcr.io/nvidia/x:1")
    ('docker.io', 'nvcr.io')
    """
    first, slash, _ = image.partition("/")
    return first.partition(":")[0] if slash and ("." in first or ":" in first) else "docker.io"
