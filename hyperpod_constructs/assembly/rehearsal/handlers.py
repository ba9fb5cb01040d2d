"""The code behind custom resources: the library's functions as deployed, and models of some functions of CDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...handlers.cluster import index as guard
from ...handlers.governance import index as governance
from ...handlers.grafana import index as grafana
from ...handlers.kubernetes import apply, wait
from ...handlers.kubernetes.services import Services
from ...handlers.lifecycle import index as lifecycle
from .account import ANYTHING
from .call import Call
from .clients import Clients, grafana_answers
from .connection import connect
from .helm import run_helm
from .iam import allowed, bucket_lets


def services_of(call: Call) -> Services:
    """The context of the Kubernetes functions."""
    clock: Any = call.services.world.clock
    clients = Clients(call)
    connection: Callable[[str], Any] = lambda name: connect(call, name)  # noqa: E731
    return Services(clients, connection, clock)


def _apply(event: Mapping[str, Any], call: Call) -> dict[str, Any]:
    return apply.handle(event, services_of(call), call.limit)


def _begin(event: Mapping[str, Any], call: Call) -> dict[str, Any]:
    return wait.begin(event, services_of(call))


def _poll(event: Mapping[str, Any], call: Call) -> dict[str, Any]:
    return wait.poll(event, services_of(call))


def _guard(event: Mapping[str, Any], call: Call) -> dict[str, Any]:
    clients = Clients(call)
    guarded = (event["StackId"].split("/")[1], event["ResourceProperties"]["LogicalId"])
    if event["RequestType"] != "Delete" and guarded in call.services.changing:
        path = ".".join(guarded)
        call.services.record.find("HPR02", path, "the HyperPod cluster was changed before its guard checked it")
    sleep = call.services.world.clock.sleep
    service_clients = {name: clients(name) for name in ("cloudformation", "sagemaker", "fsx")}
    return guard.answer(event, **service_clients, sleep=sleep)


def _scripts(event: Mapping[str, Any], call: Call) -> dict[str, Any]:
    from ...core.catalog import deployment_wait

    sleep = call.services.world.clock.sleep
    if event["RequestType"] != "Delete":
        sleep(call.services.timing.seconds(deployment_wait("upload")))
    return lifecycle.answer(event, Clients(call)("s3"), sleep)


def _governance_begin(event: Mapping[str, Any], call: Call) -> dict[str, Any]:
    clock: Any = call.services.world.clock
    return governance.begin(event, Clients(call)("sagemaker"), clock)


def _governance_poll(event: Mapping[str, Any], call: Call) -> dict[str, Any]:
    clock: Any = call.services.world.clock
    return governance.poll(event, Clients(call)("sagemaker"), clock)


def _grafana(event: Mapping[str, Any], call: Call) -> dict[str, Any]:
    clock: Any = call.services.world.clock
    return grafana.handle(event, Clients(call)("grafana"), grafana_answers(call), clock)


OWN: dict[str, Callable[[Mapping[str, Any], Call], dict[str, Any]]] = {
    "kubernetes.apply.on_event": _apply,
    "kubernetes.wait.on_event": _begin,
    "kubernetes.wait.is_complete": _poll,
    "helm.index.handler": run_helm,
    "cluster.index.on_event": _guard,
    "lifecycle.index.on_event": _scripts,
    "governance.index.on_event": _governance_begin,
    "governance.index.is_complete": _governance_poll,
    "grafana.index.on_event": _grafana,
}
"""End of a function's handler to the library's code."""


def _upload(event: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """CDK's BucketDeployment, which earlier versions used for scripts: unpacks the files of an asset into a bucket."""
    from ...core.catalog import deployment_wait

    properties, services = event["ResourceProperties"], call.services
    bucket = properties["DestinationBucketName"]
    identity = event.get("PhysicalResourceId") or f"aws.cdk.s3deployment.{event['RequestId']}"
    if event["RequestType"] == "Delete":
        if properties.get("RetainOnDelete") != "true":
            services.account.objects.get(bucket, set()).clear()
        return {"PhysicalResourceId": identity}
    services.world.clock.sleep(services.timing.seconds(deployment_wait("upload")))
    if bucket not in services.account.objects and services.account.find("AWS::S3::Bucket", bucket) is None:
        raise RuntimeError(f"NoSuchBucket: {bucket}")
    if not allowed(services.account, call.role, "s3:PutObject", f"arn:aws:s3:::{bucket}/x"):
        raise RuntimeError(f"AccessDenied: {call.role} lacks permission to write to {bucket}")
    prefix = properties.get("DestinationBucketKeyPrefix", "").rstrip("/")
    for key in properties["SourceObjectKeys"]:
        names = services.sources.get(key) or {ANYTHING}
        services.account.objects.setdefault(bucket, set()).update(f"{prefix}/{name}".lstrip("/") for name in names)
    return {
        "PhysicalResourceId": identity,
        "Data": {"DestinationBucketArn": f"arn:aws:s3:::{bucket}", "SourceObjectKeys": []},
    }


def _empty(event: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """CDK's auto-deletion of a bucket's objects."""
    bucket = event["ResourceProperties"]["BucketName"]
    if event["RequestType"] == "Delete" and call.services.account.objects.get(bucket):
        if not bucket_lets(call.services.account, bucket, call.role, "s3:DeleteObject"):
            raise RuntimeError(f"AccessDenied: the policy of {bucket} does not allow {call.role} to delete its objects")
        call.services.account.objects[bucket].clear()
    return {"PhysicalResourceId": event.get("PhysicalResourceId") or f"empty-{bucket}"}


def _keep_for(event: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """CDK's LogRetention, which creates a missing log group, and retains it when the resource is deleted."""
    name = event["ResourceProperties"]["LogGroupName"]
    if not allowed(call.services.account, call.role, "logs:PutRetentionPolicy", f"arn:aws:logs:::log-group:{name}:*"):
        raise RuntimeError(f"AccessDenied: {call.role} lacks permission to set the retention of {name}")
    return {"PhysicalResourceId": name, "Data": {"LogGroupName": name}}


OF_CDK: dict[str, Callable[[Mapping[str, Any], Call], dict[str, Any]]] = {
    "Custom::CDKBucketDeployment": _upload,
    "Custom::S3AutoDeleteObjects": _empty,
    "Custom::LogRetention": _keep_for,
}
"""Resource types whose functions CDK provides."""
