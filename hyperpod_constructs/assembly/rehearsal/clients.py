"""boto3 clients of a rehearsal: the operations that the library's functions call, answered from the account's state."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any
from urllib.parse import parse_qsl

from botocore.exceptions import ClientError

from ...core.catalog import deployment_wait
from .account import ANYTHING
from .call import Call
from .eks import cluster_of
from .iam import allowed
from .kubernetes import KUEUE
from .resources import Resources

_ids = itertools.count(1)


def error(code: str, operation: str, message: str = "") -> ClientError:
    """Returns an error in botocore's format."""
    answer: Any = {"Error": {"Code": code, "Message": message or code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(answer, operation)


class Clients:
    """Creates a client for a service name, for the role of one invocation."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __call__(self, service: str) -> Any:
        """Returns the client of a service."""
        return _SERVICES[service](self._call)


class _Client:
    class exceptions:
        ClientError = ClientError

    def __init__(self, call: Call) -> None:
        self.call = call
        self.services: Resources = call.services

    def _may(self, action: str, resource: str = "*") -> None:
        account = self.services.account
        if not allowed(account, self.call.role, action, resource):
            raise error("AccessDeniedException", action, f"{self.call.role} is not authorized to perform: {action}")

    def get_paginator(self, operation: str) -> Any:
        """Returns everything on one page."""
        client = self

        class Paginator:
            def paginate(self, **given: Any) -> Iterator[Any]:
                yield getattr(client, operation)(**given)

        return Paginator()


class Eks(_Client):
    """EKS."""

    def describe_addon(self, clusterName: str, addonName: str) -> dict[str, Any]:
        """Status of an add-on."""
        account = self.services.account
        base = f"arn:{account.partition}:eks:{account.region}:{account.account}"
        self._may("eks:DescribeAddon", f"{base}:addon/{clusterName}/{addonName}/x")
        cluster = self.services.clusters.get(clusterName)
        addon = cluster.addons.get(addonName) if cluster else None
        if addon is None:
            raise error("ResourceNotFoundException", "DescribeAddon")
        issues = [{"code": "InsufficientNumberOfReplicas", "message": addon.issue}] if addon.issue else []
        return {"addon": {"status": addon.status, "health": {"issues": issues}}}


class Stacks(_Client):
    """CloudFormation."""

    def describe_stack_resource(self, StackName: str, LogicalResourceId: str) -> dict[str, Any]:
        """Returns the physical id of a resource."""
        account = self.services.account
        self._may("cloudformation:DescribeStackResource", StackName)
        for resource in (*account.of_kind("AWS::SageMaker::Cluster"), *account.of_kind("AWS::FSx::FileSystem")):
            if resource.name == LogicalResourceId and f"/{resource.stack}/" in StackName:
                return {"StackResourceDetail": {"PhysicalResourceId": resource.id}}
        raise error("ValidationError", "DescribeStackResource", f"Resource {LogicalResourceId} does not exist")


class S3(_Client):
    """S3: published assets, and buckets with their objects."""

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        """The content of an asset."""
        self._may("s3:GetObject", f"arn:aws:s3:::{Bucket}/{Key}")
        file = self.services.assets.get(Key)
        if file is None:
            raise error("NoSuchKey", "GetObject")
        return {"Body": io.BytesIO(file.read_bytes())}

    def download_fileobj(self, Bucket: str, Key: str, Fileobj: IO[bytes]) -> None:
        """Returns the archive of a folder, with its file names if the cloud assembly is known, not only its templates."""
        self._may("s3:GetObject", f"arn:aws:s3:::{Bucket}/{Key}")
        with zipfile.ZipFile(Fileobj, "w") as archive:
            for name in self.services.sources.get(Key) or {ANYTHING}:
                archive.writestr(name, b"")

    def upload_fileobj(self, Fileobj: IO[bytes], Bucket: str, Key: str) -> None:
        """Writes an object."""
        if not self.services.account.exists("AWS::S3::Bucket", Bucket):
            raise error("NoSuchBucket", "PutObject")
        self._may("s3:PutObject", f"arn:aws:s3:::{Bucket}/{Key}")
        self.services.account.objects.setdefault(Bucket, set()).add(Key)


class Grafana(_Client):
    """Managed Grafana: service accounts."""

    def describe_workspace(self, workspaceId: str) -> dict[str, Any]:
        """Returns the endpoint of a workspace."""
        resource = self.services.account.find("AWS::Grafana::Workspace", workspaceId)
        if resource is None and not workspaceId.startswith("g-"):
            raise error("ResourceNotFoundException", "DescribeWorkspace")
        if resource is None and workspaceId in self.services.account.known_names:
            raise error("ResourceNotFoundException", "DescribeWorkspace")
        return {"workspace": {"endpoint": f"{workspaceId}.grafana-workspace.amazonaws.com"}}

    def create_workspace_service_account(self, **_: Any) -> dict[str, Any]:
        """Creates a service account."""
        return {"id": str(next(_ids))}

    def create_workspace_service_account_token(self, **_: Any) -> dict[str, Any]:
        """Creates a token of a service account."""
        return {"serviceAccountToken": {"key": "token"}}

    def list_workspace_service_accounts(self, **_: Any) -> dict[str, Any]:
        """Returns no service accounts: each is deleted immediately."""
        return {"serviceAccounts": []}

    def delete_workspace_service_account(self, **_: Any) -> dict[str, Any]:
        """Deletes one."""
        return {}


def grafana_answers(call: Call) -> Callable[[str, str, Mapping[str, str], bytes | None], tuple[int, bytes]]:
    """Grafana's own API: dashboards and data sources by uid."""
    kept: dict[str, dict[str, Any]] = call.services.dashboards

    def answer(method: str, url: str, _: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        content = json.loads(body) if body else {}
        path, __, query = url.partition("?")
        asked = dict(parse_qsl(query))
        kind = "boards" if "/dashboards" in path or "/search" in path else "sources"
        resources: dict[str, Any] = kept.setdefault(kind, {})
        uid = path.rpartition("/uid/")[2]
        if method == "POST":
            new = content.get("dashboard", content)
            resources[str(new.get("uid"))] = new
            return 200, b"{}"
        if "/uid/" not in path:
            found = [
                resource for resource in resources.values() if asked.get("tag") in (None, *resource.get("tags", ()))
            ]
            return 200, json.dumps(found).encode()
        if uid not in resources:
            return 404, b"{}"
        if method == "DELETE":
            return 200, json.dumps(resources.pop(uid)).encode()
        if method == "PUT":
            resources[uid] = content
        return 200, json.dumps(
            {"dashboard": resources[uid], "meta": {}} if kind == "boards" else resources[uid]
        ).encode()

    return answer


class Fsx(_Client):
    """FSx: the subnets of file systems."""

    def describe_file_systems(self, FileSystemIds: list[str]) -> dict[str, Any]:
        """File systems with their subnets."""
        self._may("fsx:DescribeFileSystems")
        found = [self.services.account.find("AWS::FSx::FileSystem", id_) for id_ in FileSystemIds]
        if None in found:
            raise error("FileSystemNotFound", "DescribeFileSystems")
        return {
            "FileSystems": [{"SubnetIds": list(resource.properties["SubnetIds"])} for resource in found if resource]
        }


class SageMaker(_Client):
    """SageMaker: clusters, and the resources of task governance."""

    def describe_cluster(self, ClusterName: str) -> dict[str, Any]:
        """A cluster with its groups."""
        resource = self.services.account.find("AWS::SageMaker::Cluster", ClusterName)
        if resource is None:
            raise error("ResourceNotFound", "DescribeCluster")
        groups = []
        for group in resource.properties.get("InstanceGroups") or ():
            name = group["InstanceGroupName"]
            count = (
                len(resource.state.get("nodes", {}).get(name, ()))
                if name not in resource.state.get("failures", {})
                else 0
            )
            counts = {"CurrentCount": count, "TargetCount": int(group.get("InstanceCount", 0))}
            groups.append({"InstanceGroupName": name, "Status": "InService", **counts})
            groups[-1]["ExecutionRole"] = group["ExecutionRole"]
            if "InstanceType" in group:
                groups[-1]["InstanceType"] = group["InstanceType"]
        live = {
            "ClusterName": resource.properties.get("ClusterName") or resource.id.rpartition("/")[2],
            "ClusterArn": resource.id,
            "ClusterStatus": "InService",
            "InstanceGroups": groups,
            "Orchestrator": resource.properties.get("Orchestrator", {}),
        }
        if "VpcConfig" in resource.properties:
            live["VpcConfig"] = resource.properties["VpcConfig"]
        return live

    def list_cluster_nodes(self, ClusterName: str, **_: Any) -> dict[str, Any]:
        """Returns nodes with failures."""
        resource = self.services.account.find("AWS::SageMaker::Cluster", ClusterName)
        failures = resource.state.get("failures", {}) if resource else {}
        return {
            "ClusterNodeSummaries": [
                {"InstanceGroupName": name, "InstanceStatus": {"Status": "Failure", "Message": text}}
                for name, text in failures.items()
            ]
        }

    def list_cluster_events(self, **_: Any) -> dict[str, Any]:
        """Returns no events."""
        return {"Events": []}

    # Task governance, with the operations of both kinds.

    def __getattr__(self, operation: str) -> Any:
        for word, kind in (("cluster_scheduler_config", "ClusterSchedulerConfig"), ("compute_quota", "ComputeQuota")):
            verb = operation.partition("_")[0]
            if operation in (f"{verb}_{word}", f"list_{word}s"):
                return lambda **given: getattr(Governed(self, kind), verb)(**given)
        raise AttributeError(operation)

    def list_tags(self, ResourceArn: str) -> dict[str, Any]:
        """Tags of a config or quota."""
        return {"Tags": next((record["Tags"] for record in self.services.governed if record["Arn"] == ResourceArn), [])}

    def add_tags(self, ResourceArn: str, Tags: list[dict[str, str]]) -> None:
        """Sets tags."""
        for record in self.services.governed:
            if record["Arn"] == ResourceArn:
                kept = [tag for tag in record["Tags"] if tag["Key"] not in {new["Key"] for new in Tags}]
                record["Tags"] = kept + Tags

    def delete_tags(self, ResourceArn: str, TagKeys: list[str]) -> None:
        """Removes tags."""
        for record in self.services.governed:
            if record["Arn"] == ResourceArn:
                record["Tags"] = [tag for tag in record["Tags"] if tag["Key"] not in TagKeys]


_CONTENT = ("ActivationState", "ComputeQuotaConfig", "ComputeQuotaTarget", "Description", "SchedulerConfig")
"""The mutable content of a scheduler config or a quota."""


class Governed:
    """The scheduler configs or compute quotas in SageMaker."""

    def __init__(self, client: SageMaker, kind: str) -> None:
        self._services, self._kind = client.services, kind
        self._all: list[dict[str, Any]] = client.services.governed

    def create(self, **given: Any) -> dict[str, Any]:
        """Starts a creation."""
        id_ = f"g{next(_ids):011d}"
        self._cluster(given["ClusterArn"])
        arn = f"{given['ClusterArn']}/{self._kind}/{id_}"
        record = {"Kind": self._kind, "Id": id_, "Arn": arn, "Status": "Creating", "Version": 1, "Tags": [], **given}
        self._all.append(record)
        self._later(record, "Created")
        return {f"{self._kind}Id": id_, f"{self._kind}Arn": arn}

    def update(self, TargetVersion: int, **given: Any) -> dict[str, Any]:
        """Starts an update."""
        record = self._find(given[f"{self._kind}Id"])
        if record["Version"] != TargetVersion:
            raise error("ConflictException", "Update")
        record |= {**given, "Status": "Updating", "Version": TargetVersion + 1}
        self._later(record, "Updated")
        return {f"{self._kind}Version": record["Version"]}

    def describe(self, **given: Any) -> dict[str, Any]:
        """Returns a config or quota."""
        record = self._find(given[f"{self._kind}Id"])
        known = {
            f"{self._kind}Arn": record["Arn"],
            f"{self._kind}Version": record["Version"],
            "Status": record["Status"],
        }
        return {**{key: record[key] for key in _CONTENT if key in record}, **known}

    def list(self, ClusterArn: str, NameContains: str = "", **_: Any) -> dict[str, Any]:
        """Returns the configs or quotas of a cluster."""
        found = [
            {**record, f"{self._kind}Id": record["Id"]}
            for record in self._all
            if record["Kind"] == self._kind and record["ClusterArn"] == ClusterArn and NameContains in record["Name"]
        ]
        return {f"{self._kind}Summaries": found}

    def delete(self, **given: Any) -> dict[str, Any]:
        """Deletes one."""
        record = self._find(given[f"{self._kind}Id"])
        self._all.remove(record)
        self._team(record, exists=False)
        return {}

    def _find(self, id_: str) -> dict[str, Any]:
        for record in self._all:
            if record["Id"] == id_:
                return record
        raise error("ResourceNotFound", "Describe")

    def _later(self, record: dict[str, Any], status: str) -> None:
        def settle() -> None:
            cluster = self._cluster(record["ClusterArn"])
            addon = cluster.addons.get(KUEUE) if cluster else None
            if addon is None or not addon.ready:
                record["Status"] = status.removesuffix("d") + "Failed"
                return
            record["Status"] = status
            self._team(record, exists=True)

        self._services.world.after(self._services.timing.seconds(deployment_wait("kueue")), settle)

    def _team(self, record: Mapping[str, Any], *, exists: bool) -> None:
        team = (record.get("ComputeQuotaTarget") or {}).get("TeamName")
        cluster = self._cluster(record["ClusterArn"])
        if team and cluster:
            cluster.team(team, exists)

    def _cluster(self, arn: str) -> Any:
        resource = self._services.account.find("AWS::SageMaker::Cluster", arn)
        if resource is None:
            raise error("ResourceNotFound", "DescribeCluster", f"the cluster {arn} does not exist")
        return cluster_of(self._services, resource.properties["Orchestrator"]["Eks"]["ClusterArn"])


_SERVICES: dict[str, type[_Client]] = {
    "eks": Eks,
    "sagemaker": SageMaker,
    "cloudformation": Stacks,
    "s3": S3,
    "grafana": Grafana,
    "fsx": Fsx,
}
