"""Volumes and claims on an existing FSx for Lustre file system."""

from __future__ import annotations

from collections.abc import Sequence

from constructs import Construct

from hyperpod_constructs.core.manifests import fsx_volumes

from .base import ObjectsChart


class FsxVolumesChart(ObjectsChart):
    """A volume and a claim in each namespace; jobs refer to the claim with `claim` or to the file system with `fsx`."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        file_system_id: str,
        dns_name: str,
        mount_name: str,
        size_gib: int,
        namespaces: Sequence[str] = ("default",),
    ) -> None:
        objects = fsx_volumes(
            name,
            file_system_id=file_system_id,
            dns_name=dns_name,
            mount_name=mount_name,
            size_gib=size_gib,
            namespaces=namespaces,
        )
        super().__init__(scope, id, objects=objects)
