"""The states of the pods of an object that is not ready, and its events, as short text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .client import ApiClient
from .errors import ApiError, clip

_MAX_PODS = 3
_MAX_EVENTS = 2
_LINE_BYTES = 260

Item = Mapping[str, Any]


def condition(item: Item, kind: str) -> Item:
    """Returns the condition of a type; empty if the object does not have it."""
    return next((c for c in conditions(item) if c.get("type") == kind), {})


def conditions(item: Item) -> Sequence[Item]:
    """Returns ``status.conditions``."""
    found: Sequence[Item] = (item.get("status") or {}).get("conditions") or []
    return found


def last_condition(item: Item) -> str:
    """Returns the condition that changed last, as text."""
    found = conditions(item)
    if not found:
        return "it has no conditions yet"
    # If several have the same time, the last one in the list is used.
    return "last condition " + as_text(
        max(enumerate(found), key=lambda c: (c[1].get("lastTransitionTime") or "", c[0]))[1]
    )


def as_text(item: Item) -> str:
    """Returns a condition as ``Type=Status (Reason: message)``."""
    reason = ": ".join(filter(None, (item.get("reason"), item.get("message"))))
    return f"{item.get('type')}={item.get('status')}" + (f" ({reason})" if reason else "")


def pods_and_events(
    client: ApiClient, namespace: str, about: str, belongs: Callable[[Item], bool], selector: Mapping[str, str] | None
) -> str:
    """Returns why the pods of an object are not healthy, and the latest warning events of the object and its pods.

    Args:
        client: client of the API server.
        namespace: namespace of the object.
        about: name of the object itself.
        belongs: whether a pod belongs to the object.
        selector: labels that restrict the search, if known.
    """
    if selector is not None and not selector:
        return "it selects no pods"
    query = {"labelSelector": ",".join(f"{k}={v}" for k, v in selector.items())} if selector else {}
    try:
        pods = [pod for pod in client.items(f"/api/v1/namespaces/{namespace}/pods", **query) if belongs(pod)]
        unhealthy = [line for line in map(_pod_problem, pods) if line]
        lines = [f"{len(pods)} pod{'s' if len(pods) > 1 else ''}" if pods else "it has no pods", *unhealthy[:_MAX_PODS]]
        if len(unhealthy) > _MAX_PODS:
            lines.append(f"and {len(unhealthy) - _MAX_PODS} more unhealthy pods")
        names = {about, *(pod["metadata"]["name"] for pod in pods)}
        events = client.items(f"/api/v1/namespaces/{namespace}/events", fieldSelector="type=Warning")
        lines += _last_warnings(events, names)
    except ApiError as error:
        return f"(pods and events could not be read: {clip(str(error), 120)})"
    return "; ".join(clip(line, _LINE_BYTES) for line in lines)


def _pod_problem(pod: Item) -> str | None:
    status = pod.get("status") or {}
    name = pod["metadata"]["name"]
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    for container in containers:
        state = container.get("state") or {}
        ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
        if "waiting" in state:
            return _line(name, container["name"], state["waiting"], ended)
        if ended and ended.get("exitCode", 0) != 0:
            return _line(name, container["name"], ended, ended)
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"pod {name}: {scheduled.get('reason')}: {scheduled.get('message')}"
    if status.get("phase") == "Failed":
        return f"pod {name}: {status.get('reason') or 'Failed'}: {status.get('message') or ''}".rstrip(": ")
    if condition(pod, "Ready").get("status") != "True" and status.get("phase") != "Succeeded":
        return f"pod {name}: {status.get('phase') or 'Pending'}, not ready"
    return None


def _line(pod: str, container: str, state: Item, ended: Item | None) -> str:
    reason = ": ".join(filter(None, (state.get("reason"), state.get("message"))))
    code = f", exit code {ended['exitCode']}" if ended and "exitCode" in ended else ""
    return f"pod {pod}, container {container}: {reason or 'not running'}{code}"


def _last_warnings(events: Iterable[Item], names: set[str]) -> list[str]:
    about = [event for event in events if (event.get("involvedObject") or {}).get("name") in names]
    about.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    latest = {f"event {event.get('reason')}: {event.get('message')}": None for event in reversed(about)}
    return list(latest)[:_MAX_EVENTS]
