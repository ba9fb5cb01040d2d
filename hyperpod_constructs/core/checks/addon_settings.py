"""HP511 to HP515: settings of add-ons that Kubernetes or the add-on rejects, typed or in `configuration`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..catalog import allowed, limit, matches, pattern
from ..documents import join
from ..findings import Severity
from ..jobs.quantities import amount
from ..plural import either
from ..spec.addons import Addons
from ..spec.base import configuration_of, is_token
from .context import Context, EffectiveAddons, as_text
from .registry import Problem, rule


def configured(ctx: Context) -> Iterator[tuple[str, Any]]:
    """Returns path and value of the configuration of add-ons and charts: typed settings, and passed-through values."""
    if ctx.addons is not None:
        for key, settings in ctx.effective_addons.items():
            for name in ("configuration", "values"):
                yield f"addons.{key}.{name}", getattr(settings, name, {})
    if ctx.dependencies is not None and ctx.dependencies.enabled:
        yield "dependencies.values", ctx.dependencies.values


def named(value: Any, name: str, path: str) -> Iterator[tuple[str, Any]]:
    """Returns every value under a key of this name, at any depth."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            place = join(path, str(key))
            if key == name:
                yield place, below
            else:
                yield from named(below, name, place)
    elif isinstance(value, list | tuple):
        for index, below in enumerate(value):
            yield from named(below, name, f"{path}[{index}]")


@rule(
    "HP511",
    title="CoreDNS has a number of replicas, or bounds for autoscaling.",
    severity=Severity.ERROR,
    why="The add-on rejects the bounds, and the cluster has no DNS.",
    cure="Set min_replicas to at most max_replicas.",
    source="EKS user guide, coredns-autoscaling",
    wrong="addons: {coredns: {autoscaling: {min_replicas: 5, max_replicas: 2}}}\n",
    right="addons: {coredns: {autoscaling: {min_replicas: 2, max_replicas: 5}}}\n",
)
def dns_replicas(addons: Addons) -> Iterator[Problem]:
    settings = addons.coredns if addons is not None else None
    if settings is None or settings.autoscaling is None:
        return
    scaling, path = settings.autoscaling, "addons.coredns.autoscaling"
    minimum, maximum = scaling.min_replicas, scaling.max_replicas
    if minimum is not None and maximum is not None and minimum > maximum:
        yield Problem(f"{path}.min_replicas", f"{minimum} is greater than max_replicas ({maximum})")
    if scaling.enabled and settings.replicas is not None:
        message = "conflicts with autoscaling, which sets the number of replicas"
        yield Problem("addons.coredns.replicas", message, "Remove one of the two settings.", "", Severity.WARNING)


@rule(
    "HP513",
    title="The domain of Spaces is a host name.",
    severity=Severity.ERROR,
    why="The load balancer's rules and the certificate match no request.",
    cure="Specify only the host name, such as jupyter.example.com.",
    source="RFC 1123: host names",
    wrong="addons: {spaces: {web_ui: {domain: 'https://jupyter.example.com/', certificate_arn: "
    "'arn:aws:acm:us-west-2:111122223333:certificate/12345678-1234-1234-1234-123456789012'}}}\n",
    right="addons: {spaces: {web_ui: {domain: jupyter.example.com, certificate_arn: "
    "'arn:aws:acm:us-west-2:111122223333:certificate/12345678-1234-1234-1234-123456789012'}}}\n",
)
def domains(addons: Addons) -> Iterator[Problem]:
    spaces = addons.spaces if addons is not None else None
    web = spaces.web_ui if spaces is not None and spaces.enabled else None
    if web is None or not web.enabled or is_token(web.domain):
        return
    if not limit("host_name_length").allows(len(web.domain)) or not matches("host_name", web.domain):
        bare = re.sub(r"^[a-z]+://", "", web.domain).split("/")[0].split(":")[0].lower()
        cure = f"Specify {bare}." if bare != web.domain and matches("host_name", bare) else None
        yield Problem("addons.spaces.web_ui.domain", f"{as_text(web.domain)} is not a host name", cure)


@rule(
    "HP514",
    title="CPU and memory are Kubernetes quantities, and requests do not exceed limits.",
    severity=Severity.ERROR,
    why="Kubernetes rejects the pods.",
    cure='Use `cpu: "2"` or `500m`, `memory: 4Gi` or `4G`; GB and GiB are not Kubernetes units.',
    source="Kubernetes: resource.Quantity; validation of container resources",
    wrong="addons: {training_operator: {resources: {requests: {memory: 2GB}}}}\n",
    right="addons: {training_operator: {resources: {requests: {memory: 2Gi}}}}\n",
)
def quantities(ctx: Context) -> Iterator[Problem]:
    operator = ctx.addons.training_operator if ctx.addons is not None else None
    if operator is not None and operator.enabled and operator.resources is not None:
        path = "addons.training_operator.resources"
        yield from _resources(path, configuration_of(operator.resources))
    for place, values in configured(ctx):
        for path, resources in named(values, "resources", place):
            if isinstance(resources, Mapping):
                yield from _resources(path, resources)


def _resources(path: str, resources: Mapping[str, Any]) -> Iterator[Problem]:
    known: dict[tuple[str, str], Any] = {}
    for kind in ("requests", "limits"):
        given = resources.get(kind)
        for name, value in given.items() if isinstance(given, Mapping) else ():
            place, text = join(f"{path}.{kind}", str(name)), str(value)
            if is_token(value):
                continue
            number = amount(text)
            if number is None:
                cure = "Use Gi instead of GB or GiB." if text.endswith("B") else None
                yield Problem(place, f"{as_text(text)} is not a Kubernetes quantity", cure)
            elif number < 0:
                yield Problem(place, f"{text} is negative", "Specify 0 or more.")
            else:
                known[kind, str(name)] = (number, text)
    for (kind, name), (number, text) in known.items():
        maximum = known.get(("limits", name))
        if kind == "requests" and maximum is not None and number > maximum[0]:
            place = join(f"{path}.limits", name)
            cure = f"Request at most {maximum[1]}, or increase {place}."
            yield Problem(join(f"{path}.requests", name), f"{text} exceeds the limit of {maximum[1]}", cure)


@rule(
    "HP515",
    title="Tolerations are valid in Kubernetes.",
    severity=Severity.ERROR,
    why="Kubernetes rejects the pods, so the add-on never starts.",
    cure="Use {key: nvidia.com/gpu, operator: Exists} or {key: team, value: vision, effect: NoSchedule}.",
    source="Kubernetes: validation of tolerations",
    wrong="addons: {cert_manager: {tolerations: [{key: gpu, operator: Exists, value: 'yes'}]}}\n",
    right="addons: {cert_manager: {tolerations: [{key: gpu, operator: Equal, value: 'yes'}]}}\n",
)
def tolerations(effective_addons: EffectiveAddons, ctx: Context) -> Iterator[Problem]:
    for key, settings in effective_addons.items():
        for index, toleration in enumerate(getattr(settings, "tolerations", None) or ()):
            yield from _toleration(f"addons.{key}.tolerations[{index}]", toleration)
    for place, values in configured(ctx):
        for path, listed in named(values, "tolerations", place):
            for index, toleration in enumerate(listed if isinstance(listed, list | tuple) else ()):
                if isinstance(toleration, Mapping):
                    yield from _toleration(f"{path}[{index}]", toleration)


def _toleration(path: str, toleration: Mapping[Any, Any]) -> Iterator[Problem]:
    key, operator, effect = (
        toleration.get("key") or "",
        toleration.get("operator") or "Equal",
        toleration.get("effect") or "",
    )
    if any(is_token(value) for value in toleration.values()):
        return
    if operator not in ("Exists", "Equal"):
        yield Problem(f"{path}.operator", f"{as_text(operator)} is not a valid operator", "Use Exists or Equal.")
    elif operator == "Exists" and toleration.get("value"):
        yield Problem(
            f"{path}.value",
            "a value is not allowed with the operator Exists",
            "Use the operator Equal, or remove the value.",
        )
    elif operator == "Equal" and not key:
        yield Problem(path, "a toleration without a key requires the operator Exists", "Add operator: Exists.")
    if effect and effect not in allowed("taint_effect"):
        yield Problem(
            f"{path}.effect",
            f"{as_text(effect)} is not a valid taint effect",
            f"Use {either(allowed('taint_effect'))}.",
        )
    if toleration.get("tolerationSeconds") is not None:
        seconds = str(toleration["tolerationSeconds"])
        if not matches("whole_number", seconds):
            cure = "Specify the seconds as an integer, or remove it."
            yield Problem(f"{path}.tolerationSeconds", f"{as_text(seconds)} is not an integer", cure)
        elif effect != "NoExecute":
            message = f"applies to the effect NoExecute only; the effect is {effect or 'not set'}"
            yield Problem(f"{path}.tolerationSeconds", message, "Remove it, or set effect: NoExecute.")
    for name, value, form in (
        ("key", key, "kubernetes_taint_key"),
        ("value", toleration.get("value"), "kubernetes_taint_value"),
    ):
        if value and not (
            re.fullmatch(pattern(form), str(value), re.ASCII) and limit(f"{form}_length").allows(len(str(value)))
        ):
            yield Problem(f"{path}.{name}", f"{as_text(value)} is not a valid taint {name}")
