"""Storage of a platform as constructs: its file systems and buckets, and the claims of jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aws_cdk import Stack, Tokenization
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from constructs import Construct

from ..core.manifests import fsx_volumes
from ..core.spec import Bucket, Governance, LustreFileSystem, Storage
from ..core.spec.base import DeployTimeNumber
from .arguments import checked
from .bucket import HyperPodBucket
from .file_system import HyperPodFileSystem
from .interfaces import IHyperPodCluster
from .kubernetes import KubernetesObjects
from .roles import pod_identity_role


class Claims(Construct):
    """Volumes and claims in namespaces of a cluster, created after their driver and namespace and before the jobs.

    Args:
        cluster: the HyperPod cluster.
        driver: config key of the CSI add-on, `fsx_csi` or `mountpoint_s3_csi`.
        objects: volume and claim by namespace.
        adopt: adopt existing volumes and claims of these names; they are retained on deletion.
    """

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        driver: str,
        objects: Mapping[str, Sequence[Mapping[str, Any]]],
        adopt: bool = False,
    ) -> None:
        super().__init__(scope, id)
        for namespace, pair in objects.items():
            applied = KubernetesObjects(self, namespace, kubernetes=cluster.kubernetes, objects=list(pair), adopt=adopt)
            applied.node.add_dependency(cluster.milestone(driver), cluster.namespace_ready(namespace))
            cluster.jobs_ready.add(applied)


class HyperPodStorage(Construct):
    """All file systems and buckets of a platform, from one spec. `claims` creates the claims, in the add-ons' stack."""

    file_systems: Mapping[str, HyperPodFileSystem]
    """File systems by name."""
    buckets: Mapping[str, HyperPodBucket]
    """Buckets by name."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        storage: Storage,
        allow_data_loss: bool = False,
    ) -> None:
        super().__init__(scope, id)
        self._cluster = cluster
        self.buckets = {
            bucket.name: HyperPodBucket(
                self, f"Bucket-{bucket.name}", cluster=cluster, bucket=bucket, allow_data_loss=allow_data_loss
            )
            for bucket in storage.buckets
        }
        buckets = {name: bucket.bucket for name, bucket in self.buckets.items()}
        self.file_systems = {
            file_system.name: HyperPodFileSystem(
                self,
                f"Lustre-{file_system.name}",
                cluster=cluster,
                file_system=file_system,
                buckets=buckets,
                allow_data_loss=allow_data_loss,
            )
            for file_system in storage.lustre
        }

    def _grant_pods(self, teams: Governance) -> None:
        """Creates a role for each namespace that uses a bucket, in the stack of the buckets, whose policies refer to it."""
        roles: dict[str, PodAccess] = {}
        for bucket in self.buckets.values():
            for namespace in _namespaces(bucket.spec.used_by, teams):
                if namespace not in roles:
                    roles[namespace] = PodAccess(self, f"Pods-{namespace}", cluster=self._cluster, namespace=namespace)
                bucket.grant(roles[namespace].role)

    def claims(
        self, scope: Construct, *, governance: Governance | None = None, mountpoint: Construct | None = None
    ) -> list[Claims]:
        """Creates the volumes and claims of all file systems and mounted buckets, in `scope` (the add-ons' stack).

        `governance` maps team names to namespaces; `mountpoint` is the Mountpoint add-on, whose role gets access to the
        buckets that it mounts.
        """
        teams = governance or Governance()
        created: list[Claims] = []

        def claim(
            id: str, spec: LustreFileSystem | Bucket, driver: str, objects: dict[str, list[dict[str, Any]]]
        ) -> None:
            created.append(Claims(scope, id, cluster=self._cluster, driver=driver, objects=objects, adopt=spec.adopt))

        self._grant_pods(teams)
        for name, file_system in self.file_systems.items():
            namespaces = _namespaces(file_system.spec.namespaces, teams)
            if namespaces:
                objects = {namespace: lustre_volume(file_system, namespace) for namespace in namespaces}
                claim(f"Claims-{name}", file_system.spec, "fsx_csi", objects)
        for name, bucket in self.buckets.items():
            namespaces = _namespaces(bucket.spec.namespaces, teams)
            if namespaces:
                driver = getattr(mountpoint, "role", None)
                if driver is not None:
                    bucket.grant(driver)
                objects = {namespace: bucket_volume(bucket, namespace) for namespace in namespaces}
                claim(f"Mounts-{name}", bucket.spec, "mountpoint_s3_csi", objects)
        return created


class PodAccess(Construct):
    """A role that the pods of one namespace get through EKS Pod Identity, with the default service account.

    Args:
        cluster: the HyperPod cluster.
        namespace: the namespace.
    """

    role: iam.Role

    @checked
    def __init__(self, scope: Construct, id: str, *, cluster: IHyperPodCluster, namespace: str) -> None:
        super().__init__(scope, id)
        self.role = pod_identity_role(self, "Role", eks_cluster_arn=cluster.eks_cluster.cluster_arn)
        association = eks.CfnPodIdentityAssociation(
            self,
            "Association",
            cluster_name=cluster.eks_cluster.cluster_name,
            namespace=namespace,
            service_account="default",
            role_arn=self.role.role_arn,
        )
        association.node.add_dependency(self.role, cluster.eks_cluster.ready)
        cluster.jobs_ready.add(association)  # pods that start earlier have no credentials


def lustre_volume(file_system: HyperPodFileSystem, namespace: str) -> list[dict[str, Any]]:
    """Returns the volume and the claim on a file system in one namespace; the claim has the name of the file system."""
    size = file_system.spec.size_gib
    return fsx_volumes(
        file_system.spec.name,
        file_system_id=file_system.file_system_id,
        dns_name=file_system.dns_name,
        mount_name=file_system.mount_name,
        size_gib=Tokenization.stringify_number(size.token) if isinstance(size, DeployTimeNumber) else size,
        namespaces=[namespace],
    )


def bucket_volume(bucket: HyperPodBucket, namespace: str) -> list[dict[str, Any]]:
    """Returns the volume and the claim on a bucket in one namespace, mounted by Mountpoint for Amazon S3.

    The claim has the bucket's name in the config; its capacity has no effect, but Kubernetes requires one.
    """
    name, volume = bucket.spec.name, f"{bucket.spec.name}-s3-{namespace}"
    mode = "ReadOnlyMany" if bucket.spec.access == "read" else "ReadWriteMany"
    writable = [] if bucket.spec.access == "read" else ["allow-delete", "allow-overwrite"]
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": [mode],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "mountOptions": [*writable, f"region {Stack.of(bucket).region}"],
        "claimRef": {"namespace": namespace, "name": name},
        "csi": {
            "driver": "s3.csi.aws.com",
            "volumeHandle": volume,
            "volumeAttributes": {"bucketName": bucket.bucket.bucket_name},
        },
    }
    claim = {
        "accessModes": [mode],
        "storageClassName": "",
        "volumeName": volume,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace},
            "spec": claim,
        },
    ]


def _namespaces(names: Iterable[str], teams: Governance) -> list[str]:
    return list(dict.fromkeys(teams.namespace_of(name) for name in names))
