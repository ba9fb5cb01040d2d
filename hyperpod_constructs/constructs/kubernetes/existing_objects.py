"""Objects of other owners, used without adopting them: a modified copy of an object, and single fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constructs import Construct

from ...handlers.kubernetes.objects import ObjectRef
from ..arguments import checked, renamed
from .objects import KubernetesObjects, reference
from .provider import KubernetesProvider


class KubernetesCopy(KubernetesObjects):
    """An object whose `spec` is a modified copy of the `spec` of another object in the cluster, which has another owner.

    The original is read when the copy is created or changed; if it does not exist yet, the function waits for it.

    Args:
        original: reference to the original: its `apiVersion`, `kind` and `metadata` with name and namespace.
        copy: the new object; its `spec` contains only the changes. Null removes a field, lists of named items
            (containers, environment variables) are merged by name, other lists are replaced.
        rerun_on: any text, such as the version of the add-on that installs the original; changing it copies again.
        adopt: adopt an existing object of the copy's name, see `KubernetesObjects`.
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
    """Some fields of an object of another owner, such as an add-on.

    If the object does not exist yet, the function waits for it. Deleting this construct restores the fields: a field that
    no other owner has set becomes unset. The object itself is retained.

    Args:
        fields: `apiVersion`, `kind`, `metadata` with name and namespace, and the fields.
        rerun_on: any text, such as the version of the add-on that installs the object; changing it sets the fields
            again.
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
