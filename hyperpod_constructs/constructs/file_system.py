"""FSx for Lustre file systems as constructs, with their links to S3.

A file system is retained unless `removal: destroy` and `allow_data_loss` are both set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsii
from aws_cdk import Size, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_fsx as fsx
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ..core import catalog
from ..core.placement import storage_zone
from ..core.spec import LustreFileSystem
from ..core.spec.base import deployed
from .arguments import checked
from .interfaces import IHyperPodCluster
from .late import late
from .removal import removal_policy
from .weak_references import refer_weakly

_EVENTS = ["NEW", "CHANGED", "DELETED"]


@jsii.implements(ec2.IConnectable)
class HyperPodFileSystem(Construct):
    """An FSx for Lustre file system in the zone of the nodes that use it, or an existing one.

    It is created in the zone of the first accelerated group unless the spec specifies a zone, even if that group is added
    after the file system. A later deployment that would move it because another group is now the first fails before any
    change. It uses the nodes' security group, whose rules from and to itself allow Lustre and EFA, as in the official
    templates; a `security_group` that you specify gets the rules that Lustre requires, from itself and from the nodes.

    Args:
        cluster: the HyperPod cluster whose nodes mount it.
        file_system: the spec.
        buckets: the buckets of data repositories, by name.
        subnet_id: private subnet. Default: the nodes' subnet of the zone.
        security_group: security group of its interfaces. Default: the nodes'.
        allow_data_loss: must also be true for `removal: destroy` to take effect.
        storage_capacity: capacity, which may be a CloudFormation parameter. Default: `size_gib` of the spec.
        encryption_key: KMS key. Default: that of the spec.
    """

    file_system_id: str
    dns_name: str
    mount_name: str
    resource: fsx.CfnFileSystem | None
    """The file system, None for an existing one."""

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
        storage_capacity: Size | None = None,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, id)
        file_system = _completed(file_system, storage_capacity, encryption_key)
        self.spec = file_system
        self.cluster = cluster
        self._security_group = security_group
        cluster.kubernetes.parts.lustre.append(file_system)
        self.resource = None
        if file_system.existing_id:
            self.file_system_id = file_system.existing_id
            self.dns_name = file_system.existing_dns_name or ""
            self.mount_name = file_system.existing_mount_name or ""
            return
        if security_group is not None:
            self.admit(security_group, cluster.security_group)
        self._security_group = security_group or cluster.security_group
        self.resource = fsx.CfnFileSystem(
            self,
            "Resource",
            file_system_type="LUSTRE",
            file_system_type_version=file_system.lustre_version,
            storage_capacity=deployed(file_system.size_gib),
            subnet_ids=[subnet_id or self._subnet_id()],
            security_group_ids=[self._security_group.security_group_id],
            kms_key_id=file_system.kms_key_arn,
            lustre_configuration=_lustre(file_system),
        )
        self._removal = removal_policy(self, file_system.removal, allow_data_loss=allow_data_loss)
        self.resource.apply_removal_policy(self._removal)
        if file_system.availability_zone_id is None and subnet_id is None:
            cluster.keep_in_place(self.resource, name=file_system.name)
        refer_weakly(self.resource)
        self.file_system_id = self.resource.ref
        self.dns_name = self.resource.attr_dns_name
        self.mount_name = self.resource.attr_lustre_mount_name
        for link in file_system.data_repositories:
            self._link(link.path, self._uri(link.bucket, buckets or {}), link.auto_import, link.auto_export)

    def _subnet_id(self) -> str:
        """Returns the node subnet of its zone. Default: the zone that the groups determine at synthesis."""
        zone = self.spec.availability_zone_id
        if zone is not None:
            return self.cluster.subnet_id(zone)
        # creates no construct: the zone is that of a group, whose subnet the cluster has looked up
        return Token.as_string(late(lambda: self.cluster.subnet_id(storage_zone(self.cluster.spec))))

    @property
    def connections(self) -> ec2.Connections:
        """The network connections of its interfaces.

        CDK supports a single default port: the range from the first to the last port of Lustre, as in its class for Lustre.
        `admit` opens only the ports of Lustre.

        Raises:
            ValueError: the file system is an existing one whose security group was not specified.
        """
        ports = [port for pair in catalog.ports("lustre") for port in pair]
        return ec2.Connections(
            security_groups=[self._own_security_group], default_port=ec2.Port.tcp_range(min(ports), max(ports))
        )

    def admit(self, *clients: ec2.IPeer) -> None:
        """Allows clients to mount the file system: only the ports of Lustre are opened to them.

        Args:
            clients: security groups, or CIDRs such as `ec2.Peer.ipv4("10.0.0.0/24")`.

        Raises:
            ValueError: the file system is an existing one whose security group was not specified.
        """
        for first, last in catalog.ports("lustre"):
            for client in clients:
                self._own_security_group.add_ingress_rule(client, ec2.Port.tcp_range(first, last), "Lustre")

    @property
    def _own_security_group(self) -> ec2.ISecurityGroup:
        if self._security_group is None:
            raise ValueError(
                f"{self.node.path}: the security group of the existing file system {self.file_system_id} is "
                "unknown; set security_group"
            )
        return self._security_group

    def metric(self, metric_name: str, **options: Any) -> cloudwatch.Metric:
        """Returns a metric of the file system in `AWS/FSx`.

        `options` are those of `aws_cloudwatch.Metric`, such as `period` and `statistic`. Source: the FSx for Lustre guide,
        "metrics and dimensions".
        """
        dimensions = {"FileSystemId": self.file_system_id, **options.pop("dimensions_map", {})}
        return cloudwatch.Metric(namespace="AWS/FSx", metric_name=metric_name, dimensions_map=dimensions, **options)

    def metric_free_data_storage_capacity(self, **options: Any) -> cloudwatch.Metric:
        """Free capacity for data in bytes; the sum is that of the file system, the minimum that of its fullest target."""
        return self.metric("FreeDataStorageCapacity", **{"statistic": "Sum", **options})

    def metric_data_read_bytes(self, **options: Any) -> cloudwatch.Metric:
        """Bytes that clients read (sum)."""
        return self.metric("DataReadBytes", **{"statistic": "Sum", **options})

    def metric_data_write_bytes(self, **options: Any) -> cloudwatch.Metric:
        """Bytes that clients wrote (sum)."""
        return self.metric("DataWriteBytes", **{"statistic": "Sum", **options})

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
        association.apply_removal_policy(self._removal)  # a retained file system retains its links

    def _uri(self, bucket: str, buckets: Mapping[str, s3.IBucket]) -> str:
        return f"s3://{buckets[bucket].bucket_name}" if bucket in buckets else bucket


def _completed(file_system: LustreFileSystem, capacity: Size | None, key: kms.IKey | None) -> LustreFileSystem:
    """Returns the spec with the values given by keyword, which take precedence."""
    given: dict[str, Any] = {} if capacity is None else {"size_gib": capacity.to_gibibytes()}
    if key is not None:
        given["kms_key_arn"] = key.key_arn
    if not given:
        return file_system
    settings = {name: getattr(file_system, name) for name in file_system.model_fields_set}
    return LustreFileSystem.model_validate({**settings, **given})


def _lustre(file_system: LustreFileSystem) -> fsx.CfnFileSystem.LustreConfigurationProperty:
    # EFA requires a metadata configuration, which in turn requires PERSISTENT_2
    with_metadata = file_system.efa and file_system.deployment_type == "PERSISTENT_2"
    automatic = fsx.CfnFileSystem.MetadataConfigurationProperty(mode="AUTOMATIC")
    return fsx.CfnFileSystem.LustreConfigurationProperty(
        deployment_type=file_system.deployment_type,
        per_unit_storage_throughput=file_system.effective_throughput,
        data_compression_type=file_system.compression,
        efa_enabled=True if file_system.efa else None,
        metadata_configuration=automatic if with_metadata else None,
    )
