"""Storage as constructs: FSx for Lustre file systems with their links to S3, buckets, and the claims that jobs use.

Data outlives stacks: file systems and buckets are kept unless both their own `removal: destroy` and `allow_data_loss` say
otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_fsx as fsx
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ..core import catalog
from ..core.manifests import fsx_volumes
from ..core.placement import storage_zone
from ..core.spec import Bucket, Governance, LustreFileSystem, Storage
from .arguments import checked
from .framework_logs import keep_emptying_logs
from .interfaces import IHyperPodCluster
from .kubernetes import KubernetesObjects
from .removal import removal_policy
from .roles import pod_identity_role
from .weak_references import refer_weakly

_EVENTS = ["NEW", "CHANGED", "DELETED"]


class HyperPodBucket(Construct):
    """An S3 bucket: TLS only, versioned, encrypted, never public.

    Args:
        cluster: whose execution roles are let in where `bucket.nodes` says so. Default: nobody's; use `grant`.
        bucket: the spec.
        allow_data_loss: second switch for `removal: destroy`.
    """

    bucket: s3.Bucket

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        bucket: Bucket,
        cluster: IHyperPodCluster | None = None,
        allow_data_loss: bool = False,
    ) -> None:
        super().__init__(scope, id)
        self.spec = bucket
        if cluster is not None:
            cluster.kubernetes.parts.buckets.append(bucket)
        removal = removal_policy(bucket.removal, allow_data_loss=allow_data_loss)
        key = kms.Key.from_key_arn(self, "Key", bucket.kms_key_arn) if bucket.kms_key_arn else None
        logs = bucket.log_bucket_name
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=True if key else None,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=s3.Bucket.from_bucket_name(self, "Logs", logs) if logs else None,
            server_access_logs_prefix=f"{bucket.name}/" if logs else None,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="tidy",
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                    noncurrent_version_expiration=Duration.days(bucket.noncurrent_days),
                    expiration=Duration.days(bucket.expire_days) if bucket.expire_days else None,
                )
            ],
            removal_policy=removal,
            auto_delete_objects=removal == RemovalPolicy.DESTROY,
        )
        refer_weakly(self.bucket)
        if removal == RemovalPolicy.DESTROY:
            keep_emptying_logs(self.bucket)
        if cluster is not None and bucket.nodes:
            self.grant(cluster)

    def grant(self, grantee: iam.IGrantable) -> None:
        """Let somebody do with the bucket what its `access` says."""
        if self.spec.access == "read":
            self.bucket.grant_read(grantee)
        elif self.spec.access == "read-write":
            self.bucket.grant_read_write(grantee)


class HyperPodFileSystem(Construct):
    """An FSx for Lustre file system beside the nodes that use it, or one that exists.

    It lies in the zone of the first accelerated group unless the spec names one; once deployed, a deployment that would move
    it, because another group is the first, fails before anything changes. It joins the nodes' security group, whose
    rules from and to itself carry Lustre and EFA alike, as the official templates have it; a `security_group` of your own
    gets the rules that Lustre needs, from itself and from the nodes.

    Args:
        cluster: the HyperPod cluster whose nodes mount it.
        file_system: the spec.
        buckets: buckets that data repositories name.
        subnet_id: private subnet. Default: the nodes' subnet of the zone.
        security_group: security group of its interfaces. Default: the nodes'.
        allow_data_loss: second switch for `removal: destroy`.
    """

    file_system_id: str
    dns_name: str
    mount_name: str
    resource: fsx.CfnFileSystem | None
    """The file system, None for one that exists."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        file_system: LustreFileSystem,
        buckets: Mapping[str, s3.IBucket] | None = None,
        subnet_id: str | None = None,
        security_group: ec2.ISecurityGroup | None = None,
        allow_data_loss: bool = False,
    ) -> None:
        super().__init__(scope, id)
        self.spec = file_system
        self.cluster = cluster
        cluster.kubernetes.parts.lustre.append(file_system)
        self.resource = None
        if file_system.existing_id:
            self.file_system_id = file_system.existing_id
            self.dns_name = file_system.existing_dns_name or ""
            self.mount_name = file_system.existing_mount_name or ""
            return
        if security_group is not None:
            self._admit_lustre(security_group, cluster.security_group)
        zone = file_system.availability_zone_id or storage_zone(cluster.spec)
        self.resource = fsx.CfnFileSystem(
            self,
            "Resource",
            file_system_type="LUSTRE",
            file_system_type_version=file_system.lustre_version,
            storage_capacity=file_system.size_gib,
            subnet_ids=[subnet_id or cluster.subnet_id(zone)],
            security_group_ids=[(security_group or cluster.security_group).security_group_id],
            kms_key_id=file_system.kms_key_arn,
            lustre_configuration=_lustre(file_system),
        )
        self._removal = removal_policy(file_system.removal, allow_data_loss=allow_data_loss)
        self.resource.apply_removal_policy(self._removal)
        if file_system.availability_zone_id is None and subnet_id is None:
            cluster.keep_in_place(self.resource, name=file_system.name)
        refer_weakly(self.resource)
        self.file_system_id = self.resource.ref
        self.dns_name = self.resource.attr_dns_name
        self.mount_name = self.resource.attr_lustre_mount_name
        for link in file_system.data_repositories:
            self._link(link.path, self._uri(link.bucket, buckets or {}), link.auto_import, link.auto_export)

    def _link(self, path: str, uri: str, auto_import: bool, auto_export: bool) -> None:
        policy = fsx.CfnDataRepositoryAssociation
        association = policy(
            self,
            f"Link{path}".replace("/", "-"),
            file_system_id=self.file_system_id,
            file_system_path=path,
            data_repository_path=uri,
            batch_import_meta_data_on_create=True,
            s3=policy.S3Property(
                auto_import_policy=policy.AutoImportPolicyProperty(events=_EVENTS) if auto_import else None,
                auto_export_policy=policy.AutoExportPolicyProperty(events=_EVENTS) if auto_export else None,
            ),
        )
        association.apply_removal_policy(self._removal)  # a file system that is kept keeps its links

    def _uri(self, bucket: str, buckets: Mapping[str, s3.IBucket]) -> str:
        return f"s3://{buckets[bucket].bucket_name}" if bucket in buckets else bucket

    def _admit_lustre(self, own: ec2.ISecurityGroup, nodes: ec2.ISecurityGroup) -> None:
        for first, last in catalog.ports("lustre"):
            for peer in (own, nodes):
                own.add_ingress_rule(peer, ec2.Port.tcp_range(first, last), "Lustre")


class Claims(Construct):
    """Volumes and claims in the namespaces of a cluster, after their driver and the namespace, before the jobs.

    Args:
        cluster: the HyperPod cluster.
        driver: config key of the CSI add-on, `fsx_csi` or `mountpoint_s3_csi`.
        objects: volume and claim by namespace.
        adopt: take over volumes and claims of these names that exist already; they are kept when ours go.
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
    """All file systems and buckets of a platform, from one spec. The claims come by `claims`, beside the add-ons."""

    file_systems: Mapping[str, HyperPodFileSystem]
    """By name."""
    buckets: Mapping[str, HyperPodBucket]
    """By name."""

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
            one.name: HyperPodBucket(
                self, f"Bucket-{one.name}", cluster=cluster, bucket=one, allow_data_loss=allow_data_loss
            )
            for one in storage.buckets
        }
        made = {name: each.bucket for name, each in self.buckets.items()}
        self.file_systems = {
            one.name: HyperPodFileSystem(
                self,
                f"Lustre-{one.name}",
                cluster=cluster,
                file_system=one,
                buckets=made,
                allow_data_loss=allow_data_loss,
            )
            for one in storage.lustre
        }

    def _let_pods_in(self, teams: Governance) -> None:
        """A role for each namespace that uses a bucket; it lies beside the buckets, whose policies name it."""
        roles: dict[str, PodAccess] = {}
        for bucket in self.buckets.values():
            for space in _namespaces(bucket.spec.used_by, teams):
                if space not in roles:
                    roles[space] = PodAccess(self, f"Pods-{space}", cluster=self._cluster, namespace=space)
                bucket.grant(roles[space].role)

    def claims(
        self, scope: Construct, *, governance: Governance | None = None, mountpoint: Construct | None = None
    ) -> list[Claims]:
        """Make the volumes and claims of all file systems and mounted buckets, in `scope` (the add-ons' stack).

        `governance` tells team names from namespaces; `mountpoint` is the Mountpoint add-on, whose role is let into the
        buckets that it mounts.
        """
        teams = governance or Governance()
        made: list[Claims] = []

        def claim(
            id: str, spec: LustreFileSystem | Bucket, driver: str, objects: dict[str, list[dict[str, Any]]]
        ) -> None:
            made.append(Claims(scope, id, cluster=self._cluster, driver=driver, objects=objects, adopt=spec.adopt))

        self._let_pods_in(teams)
        for name, each in self.file_systems.items():
            spaces = _namespaces(each.spec.namespaces, teams)
            if spaces:
                objects = {space: lustre_volume(each, space) for space in spaces}
                claim(f"Claims-{name}", each.spec, "fsx_csi", objects)
        for name, bucket in self.buckets.items():
            spaces = _namespaces(bucket.spec.namespaces, teams)
            if spaces:
                driver = getattr(mountpoint, "role", None)
                if driver is not None:
                    bucket.grant(driver)
                objects = {space: bucket_volume(bucket, space) for space in spaces}
                claim(f"Mounts-{name}", bucket.spec, "mountpoint_s3_csi", objects)
        return made


class PodAccess(Construct):
    """A role that the pods of one namespace get through EKS Pod Identity, by the default service account.

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
        cluster.jobs_ready.add(association)  # pods that start before have no credentials


def lustre_volume(file_system: HyperPodFileSystem, namespace: str) -> list[dict[str, Any]]:
    """The volume and the claim on a file system in one namespace; the claim has the file system's name in the config."""
    return fsx_volumes(
        file_system.spec.name,
        file_system_id=file_system.file_system_id,
        dns_name=file_system.dns_name,
        mount_name=file_system.mount_name,
        size_gib=file_system.spec.size_gib,
        namespaces=[namespace],
    )


def bucket_volume(bucket: HyperPodBucket, namespace: str) -> list[dict[str, Any]]:
    """The volume and the claim on a bucket in one namespace, mounted by Mountpoint for Amazon S3.

    The claim has the bucket's name in the config; its capacity means nothing, Kubernetes only asks for a number.
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


def _lustre(file_system: LustreFileSystem) -> fsx.CfnFileSystem.LustreConfigurationProperty:
    # EFA needs a metadata configuration, which in turn needs PERSISTENT_2
    with_metadata = file_system.efa and file_system.deployment_type == "PERSISTENT_2"
    automatic = fsx.CfnFileSystem.MetadataConfigurationProperty(mode="AUTOMATIC")
    return fsx.CfnFileSystem.LustreConfigurationProperty(
        deployment_type=file_system.deployment_type,
        per_unit_storage_throughput=file_system.effective_throughput,
        data_compression_type=file_system.compression,
        efa_enabled=True if file_system.efa else None,
        metadata_configuration=automatic if with_metadata else None,
    )
