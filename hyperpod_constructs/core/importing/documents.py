"""Detects the format of a document by its keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from .. import catalog

FORMATS = {
    "cluster-stack": "the cluster-stack config of the official CLI",
    "tfvars": "variables of the Terraform module of awsome-distributed-training",
    "stack": "parameters of the official CloudFormation templates",
}
"""Formats that `hyperpod import` reads, with the content of their files."""

_CLI_ONLY = ("hyperpod_cluster_name", "instance_group_settings", "create_eks_cluster_stack", "resource_name_prefix")
_TERRAFORM_ONLY = {"create_eks_module", "create_vpc_module", "aws_region", "instance_groups"}
_DIGITS = "0123456789"
_TEMPLATE = re.compile(r"^#\s*template\s*:\s*(\S+)", re.MULTILINE)


@cache
def _names(section: str) -> frozenset[str]:
    return frozenset(catalog.load("importing")[section])


def known_parameter(name: str) -> bool:
    """Whether the official templates have a parameter of this name.

    >>> known_parameter("InstanceGroupSettings12"), known_parameter("VpcCIDR"), known_parameter("Vpc")
    (True, True, False)
    """
    return name in _names("parameters") or name.rstrip(_DIGITS) in {"InstanceGroupSettings", "RigSettings"}


def format_of(data: Any, comments: str = "") -> str | None:
    """Returns the format of a document as its key in `FORMATS`, or None for other documents.

    >>> format_of({"resource_name_prefix": "lab", "create_eks_cluster_stack": True})
    'cluster-stack'
    >>> format_of([{"ParameterKey": "VpcCIDR", "ParameterValue": "10.1.0.0/16"}])
    'stack'
    """
    if isinstance(data, list):
        keys = {str(item.get("ParameterKey")) for item in data if isinstance(item, Mapping)}
        return "stack" if any(map(known_parameter, keys)) else None
    if not isinstance(data, Mapping):
        return None
    found = _TEMPLATE.search(comments)
    template = data.get("template") or (found[1] if found else None)
    if template == "cluster-stack":
        return "cluster-stack"
    if _TERRAFORM_ONLY & data.keys() and sum(key in _names("variables") for key in data) > 1:
        return "tfvars"
    if sum(str(key).rstrip(_DIGITS) in _CLI_ONLY for key in data) > 1:
        return "cluster-stack"
    parameters = data.get("Parameters", data)
    if isinstance(parameters, Mapping) and sum(known_parameter(str(key)) for key in parameters) > 1:
        return "stack" if not any(isinstance(value, Mapping) for value in parameters.values()) else None
    return "stack" if isinstance(parameters, list) and format_of(parameters) == "stack" else None
