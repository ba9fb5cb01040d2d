"""Kubernetes objects as a resource of a stack."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from aws_cdk import CfnResource, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from ...handlers.kubernetes.errors import HandlerError
from ...handlers.kubernetes.objects import ObjectRef, check, flat
from ..arguments import checked, renamed
from ..late import late
from .provider import KubernetesProvider

#: Maximum bytes of a manifest in a template: an update event contains the old and the new one, and Lambda accepts 1 MB.
INLINE_BYTES = 200_000

#: Maximum time of retries: the function's 14 minutes, minus the time for cleaning up.
LONGEST_RETRY_SECONDS = 780

_SERVICE_TIMEOUT_SECONDS = 960

_REMOVAL_POLICIES = (RemovalPolicy.DESTROY, RemovalPolicy.RETAIN, RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)

# How CDK encodes tokens in strings, lists (both are strings) and numbers (all encoded numbers are below -1e288).
_TOKEN = re.compile(r"[$#]\{Token\[|-\d(?:\.\d+)?e\+(?:28[89]|29\d|30\d)")


class ChartLike(Protocol):
    """A source of objects: a `cdk8s.Chart` (in its own `cdk8s.App`), or any object with `to_json`."""

    def to_json(self) -> list[Any]:
        """Returns the objects."""


class KubernetesObjects(Construct):
    """One Kubernetes object, or a small group, applied server-side as one resource.

    Changing a single object's name, namespace or cluster creates the new object first and deletes the old one
    afterward; an object that is removed from a group is deleted after the rest of the update has succeeded. Namespaces
    are applied first, then CRDs, until they are established. The function also waits for a kind or a webhook that does
    not exist yet. Keep a group small: it succeeds or fails as one.

    Strings, parts of strings and numbers can be CDK tokens. More than 200 KB are uploaded as an asset, which cannot
    contain tokens. The objects are readable in the template: do not include credentials.

    Args:
        kubernetes: the Kubernetes provider of the EKS cluster.
        objects: the objects, or a `cdk8s.Chart`; or a function that returns them, which is called again at synthesis and
            must return objects of the same names.
        removal_policy: `RETAIN` retains objects in the cluster when the resource is deleted or no longer contains them.
            Default: they are deleted.
        replace_on_immutable: delete and recreate an object whose changed field is immutable. Default: such a change fails.
        retry_seconds: how long transient errors are retried, 1-780 seconds. Default: 600.
        adopt: adopt existing objects of these names that no resource of this library has created. They are never
            deleted: when the resource is deleted, their previous state is restored. Default: creation fails. Objects of
            other resources of this library are always shared, and deleted with the last of them. See docs/ownership.md.

    Raises:
        ValueError: an object has no apiVersion, kind or name, is a duplicate, is not valid JSON or contains an unresolved
        token, or the content is too large for one resource.
    """

    @renamed(provider="kubernetes")
    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        kubernetes: KubernetesProvider,
        objects: Sequence[Mapping[str, Any]] | ChartLike | Callable[[], Sequence[Mapping[str, Any]]],
        removal_policy: RemovalPolicy = RemovalPolicy.DESTROY,
        replace_on_immutable: bool = False,
        retry_seconds: int | None = None,
        adopt: bool = False,
    ) -> None:
        super().__init__(scope, id)
        compute = objects if callable(objects) else None
        items, self.refs = _checked(self, objects() if callable(objects) else objects)
        if retry_seconds is not None and not 1 <= retry_seconds <= LONGEST_RETRY_SECONDS:
            raise ValueError(
                f"{self.node.path}: retry_seconds must be between 1 and {LONGEST_RETRY_SECONDS}, got {retry_seconds}"
            )
        properties: dict[str, Any] = {
            "ServiceToken": kubernetes.service_token,
            "ServiceTimeout": _SERVICE_TIMEOUT_SECONDS,
            "ClusterName": kubernetes.cluster_name,
        }
        if removal_policy not in _REMOVAL_POLICIES:
            raise ValueError(f"{self.node.path}: removal_policy must be RETAIN or DESTROY, got {removal_policy.name}")
        if removal_policy != RemovalPolicy.DESTROY:
            properties["DeletionPolicy"] = "Retain"
        if replace_on_immutable:
            properties["ReplaceOnImmutable"] = "true"
        if adopt:
            properties["Adopt"] = "true"
        if retry_seconds is not None:
            properties["RetrySeconds"] = retry_seconds
        text, has_tokens = _json(items)
        if "<unresolved-token>" in text:
            unresolved = next(
                ref for item, ref in zip(items, self.refs, strict=True) if "<unresolved-token>" in _json([item])[0]
            )
            raise ValueError(
                f"{self.node.path}: {unresolved} contains <unresolved-token>: cdk8s does not support "
                "token objects; use the string form, such as Token.as_string(value)"
            )
        access: iam.Policy | None = None
        if len(text.encode()) <= INLINE_BYTES:
            properties["Manifest"] = late(lambda: self._text(compute())) if compute else self._text(items)
        elif has_tokens:
            raise ValueError(self._too_large(items, text))
        else:
            access = self._as_asset(kubernetes, text, properties)
        self.resource = CfnResource(self, "Resource", type="Custom::HyperPodKubernetesObjects", properties=properties)
        self.resource.node.add_dependency(kubernetes.ready, *([access] if access else []))

    @property
    def name(self) -> str:
        """The name of the first object, as a token: resources that use it depend on the objects."""
        return self.resource.get_att("Name").to_string()

    @property
    def namespace(self) -> str:
        """The namespace of the first object, as a token."""
        return self.resource.get_att("Namespace").to_string()

    def _text(self, objects: Sequence[Mapping[str, Any]]) -> str:
        """Returns the objects as JSON text for the template."""
        items, _ = _checked(self, objects)
        text, has_tokens = _json(items)
        return Stack.of(self).to_json_string(items) if has_tokens else text

    def _as_asset(self, provider: KubernetesProvider, text: str, properties: dict[str, Any]) -> iam.Policy:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "manifest.json"
            path.write_text(text)
            asset = assets.Asset(self, "Manifest", path=str(path))
        properties["ManifestAsset"] = {
            "Bucket": asset.s3_bucket_name,
            "Key": asset.s3_object_key,
            "Sha256": hashlib.sha256(text.encode()).hexdigest(),
        }
        properties["Objects"] = [reference(ref) for ref in self.refs]
        read = iam.PolicyStatement(
            actions=["s3:GetObject"], resources=[asset.bucket.arn_for_objects(asset.s3_object_key)]
        )
        # In this stack and not in the provider's stack, so that a rollback can read the old object.
        return iam.Policy(self, "ManifestAccess", roles=[provider.role], statements=[read])

    def _too_large(self, items: list[dict[str, Any]], text: str) -> str:
        sizes = {ref: len(_json([item])[0].encode()) for ref, item in zip(self.refs, items, strict=True)}
        largest = max(sizes, key=lambda ref: sizes[ref])
        return (
            f"{self.node.path}: {len(text.encode()):,} bytes; the limit for objects with CDK tokens is "
            f"{INLINE_BYTES:,}. The largest is {largest} with {sizes[largest]:,}; move the objects with "
            "tokens to a separate KubernetesObjects"
        )


def reference(ref: ObjectRef) -> dict[str, str]:
    """Returns a reference as a property of a custom resource."""
    return {"apiVersion": ref.api_version, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}


def _checked(
    construct: Construct, objects: Sequence[Mapping[str, Any]] | ChartLike
) -> tuple[list[dict[str, Any]], list[ObjectRef]]:
    given = objects if isinstance(objects, Sequence) else objects.to_json()
    try:
        items = list(flat(dict(item) if isinstance(item, Mapping) else item for item in given))
        refs = check(items)
        for item, ref in zip(items, refs, strict=True):
            try:
                _json([item])
            except (TypeError, ValueError) as error:
                raise HandlerError(f"{ref} is not JSON: {error}") from None
    except HandlerError as error:
        raise ValueError(f"{construct.node.path}: {error}") from None
    return items, refs


def _json(items: list[dict[str, Any]]) -> tuple[str, bool]:
    """Returns compact JSON, and whether it contains tokens."""
    token_objects = False

    def other(value: Any) -> Any:
        nonlocal token_objects
        if isinstance(value, Mapping):
            return dict(value)
        if callable(getattr(value, "resolve", None)):
            token_objects = True
            return "${Token[object]}"
        raise TypeError(f"a {type(value).__name__} is not a valid value in a manifest")

    text = json.dumps(items, default=other, separators=(",", ":"), allow_nan=False)
    return text, token_objects or _TOKEN.search(text) is not None
