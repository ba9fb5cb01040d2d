"""The HyperPod dependency chart, and the sources of Helm charts."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Discriminator, Tag, field_validator, model_validator

from .base import Change, SpecModel, field, is_token

_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def _matching(pattern: re.Pattern[str], what: str, value: str) -> str:
    if not is_token(value) and not pattern.fullmatch(value):
        raise ValueError(f"{value!r} is not a valid {what}")
    return value


class _PinnedByDigest(SpecModel):
    digest: str = field(change=Change.IN_PLACE, help="`sha256:` and 64 hexadecimal digits; other values are rejected.")

    @field_validator("digest")
    @classmethod
    def _check_digest(cls, value: str) -> str:
        return _matching(_DIGEST, "digest (`sha256:` and 64 hexadecimal digits)", value)


class GitChart(_PinnedByDigest):
    """A chart's folder at one commit of a git repository, downloaded at deploy time and verified by its digest.

    `hyperpod chart digest FOLDER` prints the digest of a folder.

    >>> GitChart(repository="https://github.com/a/b", path="chart", commit="0" * 40, digest="sha256:" + "0" * 64).archive
    'https://codeload.github.com/a/b/tar.gz/0000000000000000000000000000000000000000'
    """

    repository: str = field(change=Change.IN_PLACE, help="URL of the repository, such as `https://github.com/a/b`.")
    path: str = field(change=Change.IN_PLACE, help="The chart's folder in the repository.")
    commit: str = field(
        change=Change.IN_PLACE, help="The full commit hash, 40 hexadecimal digits; branches and tags are not allowed."
    )
    archive_url: str | None = field(
        None,
        change=Change.IN_PLACE,
        help="URL (https) of a gzipped tar archive of the commit. Default: GitHub's archive; required for other hosts.",
    )

    @field_validator("commit")
    @classmethod
    def _check_commit(cls, value: str) -> str:
        return _matching(_COMMIT, "full commit (40 hexadecimal digits)", value)

    @model_validator(mode="after")
    def _check_address(self) -> Self:
        address = self.archive
        if not is_token(address) and not address.startswith("https://"):
            raise ValueError(f"the archive URL of a chart must start with https://, not {address!r}")
        return self

    @property
    def archive(self) -> str:
        """The URL that the archive of the commit is downloaded from."""
        if self.archive_url is not None:
            return self.archive_url
        parts = urlsplit(self.repository)
        if parts.netloc != "github.com":
            raise ValueError(
                f"archive_url is required for {self.repository!r}: only repositories on github.com have a default"
            )
        return f"https://codeload.github.com{parts.path.removesuffix('/').removesuffix('.git')}/tar.gz/{self.commit}"


class FolderChart(SpecModel):
    """A local chart folder, deployed as an asset.

    Only enabled sub-charts that are missing from the folder are downloaded. `hyperpod chart vendor` creates a folder
    that includes the sub-charts, which a closed network requires.
    """

    path: str = field(change=Change.IN_PLACE, help="The folder that contains Chart.yaml.")


class OciChart(_PinnedByDigest):
    """A chart in an OCI registry, such as a private ECR registry of any account."""

    reference: str = field(
        change=Change.IN_PLACE,
        help="OCI reference, such as `oci://111122223333.dkr.ecr.us-west-2.amazonaws.com/charts/mine`.",
    )
    version: str = field(change=Change.IN_PLACE, help="The exact version of the chart.")

    @field_validator("reference")
    @classmethod
    def _check_reference(cls, value: str) -> str:
        return _matching(re.compile(r"oci://[^\s@]+"), "OCI reference (`oci://registry/path`)", value)


def _kind(value: object) -> str:
    def has(key: str) -> bool:
        return key in value if isinstance(value, Mapping) else hasattr(value, key)

    return "oci" if has("reference") else "folder" if not has("commit") and not has("repository") else "git"


ChartSource = Annotated[
    Annotated[GitChart, Tag("git")] | Annotated[FolderChart, Tag("folder")] | Annotated[OciChart, Tag("oci")],
    Discriminator(_kind),
]
"""The source of a chart, pinned by commit and digest, by the content of the folder, or by digest."""


class DependencyChart(SpecModel):
    """The HyperPod dependency chart: the components that the EKS cluster requires before a HyperPod cluster is created.

    Each boolean field enables a component of the chart, and has the same default as in the chart.

    >>> DependencyChart(gpu_operator=True).has_nvidia_device_plugin
    False
    """

    enabled: bool = field(True, change=Change.DRAINS, help="Whether this library installs the chart.")
    chart: ChartSource | None = field(
        None,
        change=Change.IN_PLACE,
        help="Another source of the chart, such as a vendored folder (`{path: ...}`). Default: the pinned commit.",
    )
    health_monitoring_agent: bool = field(
        True, change=Change.IN_PLACE, help="Monitors the health of nodes; required for the recovery of faulty nodes."
    )
    deep_health_check: bool = field(
        True, change=Change.IN_PLACE, help="Namespace and permissions for deep health checks."
    )
    job_auto_restart: bool = field(
        True, change=Change.IN_PLACE, help="Permissions for the automatic resume of Kubeflow PyTorchJobs."
    )
    hyperpod_patching: bool = field(
        True, change=Change.IN_PLACE, help="Permissions to evict pods during rolling software updates."
    )
    training_operators: bool = field(
        True, change=Change.IN_PLACE, help="Kubeflow training operator (PyTorchJob and others) in namespace kubeflow."
    )
    mpi_operator: bool = field(True, change=Change.IN_PLACE, help="MPI operator (MPIJob).")
    nvidia_device_plugin: bool | None = field(
        None,
        change=Change.DRAINS,
        help="Advertises nvidia.com/gpu. Default: enabled, unless the GPU operator is enabled.",
    )
    efa_device_plugin: bool = field(True, change=Change.DRAINS, help="Advertises vpc.amazonaws.com/efa.")
    neuron_device_plugin: bool = field(True, change=Change.DRAINS, help="Advertises the devices of Trainium nodes.")
    gpu_operator: bool = field(
        False, change=Change.DRAINS, help="NVIDIA GPU operator, for MIG; it includes its own device plugin."
    )
    cert_manager: bool = field(
        False,
        change=Change.DRAINS,
        help="Install cert-manager with this chart; the EKS add-on (`addons.cert_manager`) is recommended instead.",
    )
    inference_operators: bool = field(
        False,
        change=Change.DRAINS,
        help="Install the inference operator with this chart; the EKS add-on is recommended instead.",
    )
    storage: bool = field(
        False, change=Change.LOSES_DATA, help="Volume and claim for an FSx file system; requires `values`."
    )
    mlflow: bool = field(
        False, change=Change.IN_PLACE, help="MLflow's service account; its role must be set in `values`."
    )
    cluster_role_and_bindings: bool = field(
        False, change=Change.IN_PLACE, help="Cluster-wide Kubernetes role for scientists."
    )
    namespaced_role_and_bindings: bool = field(
        False, change=Change.IN_PLACE, help="Kubernetes role for scientists in one namespace."
    )
    team_role_and_bindings: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Kubernetes roles of one team; its compute quota's ID must be set in `values`.",
    )
    image_registry: str | None = field(
        None,
        change=Change.DRAINS,
        help="Registry with copies of the chart's public images, such as "
        "`111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror`; `hyperpod mirror` copies them. Default: "
        "the public registries.",
    )
    pytorch_init_image: str | None = field(
        None,
        change=Change.IN_PLACE,
        help="Image of the init container in which workers of a PyTorchJob wait for their master. Default: "
        "`alpine:3.10` from Docker Hub (the operator's default), or its copy in `image_registry`.",
    )
    values: Mapping[str, Any] = field(
        default_factory=dict,
        change=Change.IN_PLACE,
        help="Helm values, merged over the values that the other fields set.",
    )
    subchart_digests: Mapping[str, str] = field(
        default_factory=dict,
        change=Change.IN_PLACE,
        help="SHA-256 digests of the packages of remote sub-charts (`sha256:` and 64 hexadecimal digits) by "
        "`NAME VERSION` of the sub-chart, verified before installation.",
    )
    allow_unpinned_subcharts: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Install remote sub-charts without a digest; their content is not verified at deploy time.",
    )
    adopt: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Adopt an existing release, or existing permissions for patching, that have the same name and that "
        "this library did not install; they are retained when the stack is deleted.",
    )

    @field_validator("subchart_digests")
    @classmethod
    def _check_digests(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for digest in value.values():
            _matching(_DIGEST, "digest (`sha256:` and 64 hexadecimal digits)", digest)
        return value

    @model_validator(mode="after")
    def _one_gpu_plugin(self) -> Self:
        if self.gpu_operator and self.nvidia_device_plugin:
            raise ValueError(
                "nvidia_device_plugin conflicts with gpu_operator, which includes its own device plugin; remove "
                "nvidia_device_plugin"
            )
        return self

    def is_on(self, component: str) -> bool:
        """Whether a component of the chart is installed.

        >>> DependencyChart(gpu_operator=True).is_on("nvidia_device_plugin")
        False
        """
        enabled = (
            self.has_nvidia_device_plugin if component == "nvidia_device_plugin" else bool(getattr(self, component))
        )
        return self.enabled and enabled

    @property
    def has_nvidia_device_plugin(self) -> bool:
        """Whether the NVIDIA device plugin of this chart is enabled."""
        return not self.gpu_operator if self.nvidia_device_plugin is None else self.nvidia_device_plugin
