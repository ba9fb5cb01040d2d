"""What others made in the cluster, used without taking it over: a changed copy of an object, and single fields of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constructs import Construct

from ...handlers.kubernetes.objects import ObjectRef
from ..arguments import checked, renamed
from .objects import KubernetesObjects, reference
from .provider import KubernetesProvider


class KubernetesCopy(KubernetesObjects):
    """An object whose `spec` is that of an object in the cluster, with changes: maintained by its owner, adapted by us.

    The original is read when the copy is made or changed, and waited for until it is there.

    Args:
        original: what is copied: its `apiVersion`, `kind` and `metadata` with name and namespace.
        copy: the new object; its `spec` holds the changes only. Null removes a field, lists of named items (containers,
            environment) merge by name, other lists are replaced.
        rerun_on: any text, such as the version of what brings the original; a change of it copies again.
        adopt: take over an object of the copy's name that exists already, see `KubernetesObjects`.
    """

    @renamed(provider="kubernetes")
    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        kubernetes: KubernetesProvider,
        original: Mapping[str, Any],
        copy: Mapping[str, Any],
        rerun_on: str,
        adopt: bool = False,
    ) -> None:
        super().__init__(scope, id, kubernetes=kubernetes, objects=[copy], adopt=adopt)
        self.resource.add_property_override("CopyOf", reference(ObjectRef.of(original)))
        self.resource.add_property_override("RerunOn", rerun_on)


class KubernetesFields(KubernetesObjects):
    """Some fields of an object that something else made, such as an add-on.

    The object is waited for until it is there. Deleting this gives the fields back: what nobody else has set becomes unset,
    and the object itself stays.

    Args:
        fields: `apiVersion`, `kind`, `metadata` with name and namespace, and the fields.
        rerun_on: any text, such as the version of what brings the object; a change of it sets the fields again.
    """

    @renamed(provider="kubernetes")
    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        kubernetes: KubernetesProvider,
        fields: Mapping[str, Any],
        rerun_on: str,
    ) -> None:
        super().__init__(scope, id, kubernetes=kubernetes, objects=[fields])
        self.resource.add_property_override("FieldsOnly", "true")
        self.resource.add_property_override("RerunOn", rerun_on)
