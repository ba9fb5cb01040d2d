"""The request that CloudFormation derives from an `AWS::SageMaker::Cluster`, validated with the service model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

_SAMPLES = {
    "ExecutionRole": "arn:aws:iam::111122223333:role/Nodes",
    "ClusterRole": "arn:aws:iam::111122223333:role/Karpenter",
    "ClusterArn": "arn:aws:eks:us-west-2:111122223333:cluster/eks",
    "Subnets": "subnet-0123456789abcdef0",
    "SecurityGroupIds": "sg-0123456789abcdef0",
    "SourceS3Uri": "s3://sagemaker-scripts/lifecycle/",
    "InstanceCount": 2,
}
"""Placeholders for values that are known only at deployment."""

_MODEL = botocore.session.get_session().get_service_model("sagemaker")
_SHAPE = _MODEL.operation_model("CreateCluster").input_shape


def create_request(properties: dict[str, Any]) -> dict[str, Any]:
    """The request for a cluster's properties; CloudFormation generates a name if it is omitted."""
    return {"ClusterName": "made-by-cloudformation", **_known(properties, "")}


def problems(request: dict[str, Any]) -> list[str]:
    """Errors of the service model: botocore's validation, and the patterns, enums and bounds that it does not check."""
    report = ParamValidator().validate(request, _SHAPE)
    return [*([report.generate_report()] if report.has_errors() else []), *_constraints(request, _SHAPE, "")]


def _known(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref")):
            return _SAMPLES[key]
        return {name: _known(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_known(item, key) for item in value]
    return value


def _constraints(value: Any, shape: Any, path: str) -> Iterator[str]:
    limits = shape.metadata
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if name in value:
                yield from _constraints(value[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        if len(value) > limits.get("max", len(value)):
            yield f"{path}: {len(value)} items, {limits['max']} at most"
        for index, item in enumerate(value):
            yield from _constraints(item, shape.member, f"{path}[{index}]")
    elif shape.type_name == "map":
        for name, item in value.items():
            yield from _constraints(name, shape.key, f"{path}.{name}")
            yield from _constraints(item, shape.value, f"{path}.{name}")
    elif shape.type_name == "string":
        if "enum" in limits and value not in limits["enum"]:
            yield f"{path}: {value!r} is none of {limits['enum']}"
        pattern = limits.get("pattern")
        if pattern and r"\p{" not in pattern and not re.fullmatch(pattern, value):
            yield f"{path}: {value!r} does not match {pattern}"
        if len(value) > limits.get("max", len(value)):
            yield f"{path}: {len(value)} characters, {limits['max']} at most"
    elif shape.type_name in ("integer", "long") and value > limits.get("max", value):
        yield f"{path}: {value}, {limits['max']} at most"
