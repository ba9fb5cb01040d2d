"""Lines to insert into files of the dependency chart, for settings that its values cannot change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .catalog import mirror_images
from .catalog._files import load
from .chart import gaps
from .spec.dependencies import DependencyChart


@dataclass(frozen=True)
class Insertion:
    """A line to insert into a file of the verified chart, for a setting that values cannot change.

    An optional insertion is skipped if the chart does not have the file, or not exactly one line to insert after.
    """

    path: str
    after: str
    line: str
    optional: bool = False


def insertions(spec: DependencyChart, *, instance_types: Iterable[str]) -> list[Insertion]:
    """The lines that the chart's templates lack.

    These are the instance types in use, the init container's image, and the annotation that makes Helm keep the
    namespace of the health agents. The HyperPod training operator also runs in that namespace, which would be deleted
    when the component that creates it is disabled.

    >>> [i.line.strip() for i in insertions(DependencyChart(), instance_types=["ml.trn2.3xlarge"])]
    ['- ml.trn2.3xlarge', 'annotations: {helm.sh/resource-policy: keep}']
    """
    template = load("chart")["neuron_template"]
    missing = gaps(instance_types).get("neuron_device_plugin", ()) if spec.neuron_device_plugin else ()
    indent = template["after"][: -len(template["after"].lstrip())]
    found = [Insertion(template["path"], template["after"], f"{indent}- {name}") for name in missing]
    if spec.deep_health_check:
        template = load("chart")["namespace_template"]
        found.append(Insertion(template["path"], template["after"], template["line"], optional=True))
    image = pytorch_init_image(spec)
    if image is not None and spec.training_operators:
        template = load("chart")["init_image_template"]
        found.append(Insertion(template["path"], template["after"], template["line"].format(image=image)))
    return found


def pytorch_init_image(spec: DependencyChart) -> str | None:
    """The image for the init containers of Kubeflow's operator; None if its default can be pulled.

    >>> pytorch_init_image(DependencyChart(image_registry="111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror"))
    '111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror/alpine:3.10'
    """
    if spec.pytorch_init_image or not spec.image_registry:
        return spec.pytorch_init_image
    image = mirror_images()["pytorch-init"]
    return f"{spec.image_registry}/{image.path}:{image.tag}"
