"""The container images of a cluster: those of the service in each region, and those to mirror for a closed network."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from hyperpod_constructs.core.catalog._files import follows_facts, load
from hyperpod_constructs.core.catalog._names import look_up
from hyperpod_constructs.core.catalog._regions import region


class MirrorImage(NamedTuple):
    """An image of a public registry that must be mirrored for a network without internet access.

    Attributes:
        name: the component.
        image: image reference with its tag.
        needed_for: "base" for every cluster with the dependency chart's defaults, or "gpu", "neuron".
        component: key of the dependency chart's values that enables it.
        values_key: dotted key of the chart value with its repository, or None.
        template: file of the chart with the reference if no value sets it, or None.
    """

    name: str
    image: str
    needed_for: tuple[str, ...]
    component: str
    values_key: str | None
    template: str | None

    @property
    def path(self) -> str:
        """Repository without the registry's host, such as `nvidia/k8s-device-plugin`.

        >>> mirror_images()["mpi-operator"].path, mirror_images()["nvidia-device-plugin"].path
        ('mpioperator/mpi-operator', 'nvidia/k8s-device-plugin')
        """
        repository = self.image.rpartition(":")[0]
        host, _, rest = repository.partition("/")
        return rest if "." in host else repository

    @property
    def tag(self) -> str:
        """Tag of the image."""
        return self.image.rpartition(":")[2]


class ServiceImage(NamedTuple):
    """An image in an ECR repository of the service, in one account per region.

    Attributes:
        name: the component.
        repository: its ECR repository, or None if unknown.
        tag: its tag, or None.
        account: the field of `Region` with the account.
        needed_for: "base", or the feature that requires it.
        uncertain: field name to what is uncertain.
    """

    name: str
    repository: str | None
    tag: str | None
    account: str
    needed_for: tuple[str, ...]
    uncertain: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.name)

    def account_in(self, region_name: str) -> str | None:
        """Returns the account of its repository in a region, or None if the service has none.

        Raises:
            UnknownName: the region does not exist.

        >>> service_images()["health-monitoring-agent"].account_in("us-west-2")
        '905418368575'
        """
        account: str | None = getattr(region(region_name), self.account)
        return account

    def reference(self, region_name: str) -> str | None:
        """Returns the full image reference in a region, or None if a part of it is unknown.

        >>> service_images()["health-monitoring-agent"].reference("ap-south-2") is None
        True
        """
        account = self.account_in(region_name)
        if account is None or self.repository is None or self.tag is None:
            return None
        return f"{account}.dkr.ecr.{region_name}.amazonaws.com/{self.repository}:{self.tag}"


@follows_facts
@cache
def mirror_images() -> Mapping[str, MirrorImage]:
    """The images to mirror for a closed network, by component."""
    return MappingProxyType(
        {
            name: MirrorImage(
                name=name,
                image=entry["image"],
                needed_for=tuple(entry["needed_for"]),
                component=entry["component"],
                values_key=entry.get("values_key"),
                template=entry.get("template"),
            )
            for name, entry in load("images")["mirror"].items()
        }
    )


@follows_facts
@cache
def uncopied_images() -> Mapping[str, str]:
    """Registries of chart components whose images are not mirrored, by the key that enables the component.

    >>> uncopied_images()["cert_manager"]
    'quay.io/jetstack'
    """
    return MappingProxyType(load("images")["uncopied"])


@follows_facts
@cache
def service_images() -> Mapping[str, ServiceImage]:
    """The images of the service, by component."""
    return MappingProxyType(
        {
            name: ServiceImage(
                name=name,
                repository=entry["repository"],
                tag=entry["tag"],
                account=entry["account"],
                needed_for=tuple(entry["needed_for"]),
                uncertain=MappingProxyType(entry.get("uncertain", {})),
            )
            for name, entry in load("images")["service"].items()
        }
    )


def service_image(name: str) -> ServiceImage:
    """Returns the service's image of a component.

    Raises:
        UnknownName: there is no such image.
    """
    return look_up("service image", name, service_images())
