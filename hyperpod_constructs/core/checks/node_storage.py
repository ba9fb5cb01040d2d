"""HP363 to HP366: where nodes store the data of containers, and their Lustre client."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import load, matches
from ..cluster_properties import container_data, lifecycle_settings
from ..findings import Severity
from ..spec.base import is_token
from ..spec.cluster import Cluster
from .context import Groups, InstanceGroups, as_text, types_of
from .groups import fragment
from .registry import Problem, rule

_SCRIPTS = "pull requests 424, 783, 884 and 927 of github.com/awslabs/awsome-distributed-ai"


@rule(
    "HP363",
    title="Container data is stored on a volume that the group's nodes have.",
    severity=Severity.ERROR,
    why="The volume is not mounted, and the data stays on the root volume.",
    cure="Add a volume to the group (volume: {size_gib: 500}), or use another container_data.",
    source=_SCRIPTS,
    wrong=fragment("instance_type: ml.g5.8xlarge, count: 2, container_data: second-volume"),
    right=fragment("instance_type: ml.g5.8xlarge, count: 2, container_data: second-volume, volume: {size_gib: 500}"),
)
def container_data_exists(instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        place = f"{path}.container_data"
        if group.container_data == "second-volume" and group.volume is None:
            yield Problem(place, "second-volume, but the group has no volume")
        if group.container_data == "nvme":
            for instance_type in types_of(group):
                if instance_type.nvme_gb == 0:
                    yield Problem(place, f"nvme, but {instance_type.name} has no local NVMe storage")


@rule(
    "HP364",
    title="Node settings are applied by the built-in lifecycle script.",
    severity=Severity.WARNING,
    complete=("cluster",),
    why="Custom scripts, and the modes bootstrap and extension, do not apply container_data and "
    "lustre_efa_client: the second volume stays empty while images fill the root volume.",
    cure="Use the built-in scripts (`mode: on_create` without source), or copy bind-container-data.sh and "
    "on_create.d/ into your folder with a settings.env.",
    source=_SCRIPTS,
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, volume: {size_gib: 500}, lifecycle: {source: scripts/}"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, volume: {size_gib: 500}"),
)
def settings_are_applied(cluster: Cluster, instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        lifecycle = group.lifecycle or cluster.lifecycle
        settings = lifecycle_settings(cluster, group)
        if settings and not lifecycle.runs_ours:
            names = {"CONTAINER_DATA": container_data(group), "LUSTRE_EFA_CLIENT": "lustre_efa_client"}
            ignored = " and ".join(text for name, text in names.items() if name in settings)
            place = f"{path}.{'volume' if group.volume else 'container_data'}"
            if lifecycle.mode == "on_create":
                yield Problem(place, f"custom lifecycle scripts do not apply these settings: {ignored}")
            else:
                why = "The service sets up the node; it is not documented whether it uses the volume."
                message = f"the lifecycle mode {lifecycle.mode} does not apply these settings: {ignored}"
                yield Problem(place, message, consequence=why, severity=Severity.NOTE)


@rule(
    "HP365",
    title="Nodes with accelerators store images on more than the root volume.",
    severity=Severity.NOTE,
    why="The root volume has a fixed size, and a node with a full disk evicts pods; images of training jobs "
    "have 10 to 30 GB each.",
    cure="Add `volume: {size_gib: 500}`, or set `container_data: nvme` where the type has local NVMe storage.",
    source=_SCRIPTS,
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, container_data: nvme"),
)
def room_for_images(instance_groups: InstanceGroups) -> Iterator[Problem]:
    size = load("nodes")["root_volume_gb"]
    for path, group in instance_groups:
        if group.container_data is None and group.volume is None and any(k.is_accelerated for k in types_of(group)):
            yield Problem(f"{path}.container_data", f"images and logs of containers share the root volume of {size} GB")


@rule(
    "HP366",
    title="A package of the Lustre client has an HTTPS address and a digest.",
    severity=Severity.ERROR,
    why="Nodes download the package when they start, and run it as root: without a valid digest, every new node fails.",
    cure="Download the package once and set its digest: sha256sum configure-efa-fsx-lustre-client.zip.",
    source="FSx for Lustre user guide, page configure-efa-clients",
    wrong="cluster: {lustre_efa_client: {package_url: 'https://example.com/client.zip'}}\n",
    right="cluster: {lustre_efa_client: {package_url: 'https://example.com/client.zip', package_sha256: "
    f"'{'0123456789abcdef' * 4}'}}}}\n",
)
def lustre_client_package(cluster: Cluster) -> Iterator[Problem]:
    client = cluster.lustre_efa_client if cluster is not None else None
    if client is None:
        return
    path, url, digest = "cluster.lustre_efa_client", client.package_url, client.package_sha256
    if url is not None and not is_token(url) and not matches("https_address", url):
        yield Problem(
            f"{path}.package_url", f"{as_text(url)} is not an HTTPS URL", "Use an https:// URL.", _NOT_DOWNLOADED
        )
    if (url is None) != (digest is None):
        missing = "package_sha256" if digest is None else "package_url"
        cure = None if digest is None else "Set package_url, or remove package_sha256."
        yield Problem(f"{path}.{missing}", "not set: package_url and package_sha256 must be set together", cure)
    if digest is not None and not is_token(digest) and not matches("sha256", digest):
        yield Problem(f"{path}.package_sha256", f"{as_text(digest)} is not 64 hexadecimal digits")


_NOT_DOWNLOADED = "Nodes run the package as root, and do not download it without TLS."


@rule(
    "HP329",
    title="The instance type has no known problem.",
    severity=Severity.WARNING,
    why="Faulty nodes may not be detected and replaced, or nodes may not become ready.",
    cure="Test with one node first, or use another type of the family.",
    source="catalog: known_problems of nodes.json, with the source of each",
    wrong=fragment("instance_type: ml.trn2.3xlarge, count: 1"),
    right=fragment("instance_type: ml.trn2.48xlarge, count: 1"),
)
def known_problems(groups: Groups) -> Iterator[Problem]:
    problems = load("nodes")["known_problems"]
    for path, group in groups:
        for name in group.types:
            if name in problems:
                yield Problem(f"{path}.instance_type", f"{name}: {problems[name]}")
