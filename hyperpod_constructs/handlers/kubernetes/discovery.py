"""The URL path of an object, by its ``apiVersion`` and ``kind``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from .client import ApiClient
from .errors import ApiError, KindUnknown
from .objects import ObjectRef


@dataclass(frozen=True)
class Kind:
    """A kind that the API server serves."""

    api_version: str
    plural: str
    namespaced: bool

    def collection(self, namespace: str = "") -> str:
        """Returns the path of all objects, or of those in a namespace."""
        base = _base(self.api_version)
        if self.namespaced and namespace:
            base += f"/namespaces/{quote(namespace, safe='')}"
        return f"{base}/{self.plural}"

    def path(self, ref: ObjectRef) -> str:
        """Returns the path of one object."""
        return f"{self.collection(ref.namespace or 'default')}/{quote(ref.name, safe='')}"


class Discovery:
    """The kinds of one API server. They are cached, and requested again if a kind is missing."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._known: dict[tuple[str, str], Kind] = {}

    def find(self, api_version: str, kind: str) -> Kind:
        """Returns the kind; raises ``KindUnknown`` while the API server does not serve it."""
        if (api_version, kind) not in self._known:
            self._load(api_version)
        try:
            return self._known[api_version, kind]
        except KeyError:
            raise KindUnknown(api_version, kind) from None

    def find_any_version(self, ref: ObjectRef) -> Kind | None:
        """Returns the kind in the given or any other served version of its group; ``None`` if the kind was deleted."""
        try:
            return self.find(ref.api_version, ref.kind)
        except KindUnknown:
            pass
        if not ref.group:
            return None
        try:
            group = self._client.get(f"/apis/{ref.group}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        for version in group.get("versions", []):
            with suppress(KindUnknown):
                return self.find(version["groupVersion"], ref.kind)
        return None

    def _load(self, api_version: str) -> None:
        try:
            listing = self._client.get(_base(api_version))
        except ApiError as error:
            if error.status == 404:
                return
            raise
        for resource in listing.get("resources", []):
            if "/" not in resource["name"]:
                self._known[api_version, resource["kind"]] = Kind(
                    api_version, resource["name"], bool(resource["namespaced"])
                )


def _base(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
