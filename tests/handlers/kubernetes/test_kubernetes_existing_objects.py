"""Existing objects in the cluster: modified copies of them, and single fields that are restored."""

from __future__ import annotations

from typing import Any

import pytest
from fake_api_server import FakeApiServer
from kubernetes_targets import CloudFormation, Target, cluster_gone

from hyperpod_constructs.handlers.kubernetes.apply import handle
from hyperpod_constructs.handlers.kubernetes.errors import HandlerError
from hyperpod_constructs.handlers.kubernetes.services import Services
from hyperpod_constructs.handlers.shared.ownership import owners

DNS = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "team", "name": "dns"}
SERVICE = "/api/v1/namespaces/team/services/dns"
SERVERS = "/apis/apps/v1/namespaces/team/daemonsets/node-dns"


def deployment(image: str = "dns:1", **spec: Any) -> dict[str, Any]:
    pod = {
        "containers": [
            {"name": "dns", "image": image, "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
        ],
        "tolerations": [{"key": "old"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "dns", "namespace": "team", "labels": {"theirs": "yes"}},
        "spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "dns"}}, "spec": pod}, **spec},
        "status": {"readyReplicas": 2},
    }


def copy(**pod: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "node-dns", "namespace": "team"},
        "spec": {"replicas": None, "template": {"spec": pod}},
    }


CHANGES = copy(
    containers=[{"name": "dns", "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}],
    tolerations=[{"operator": "Exists"}],
)


@pytest.fixture
def copies(fake: Target) -> CloudFormation:
    return CloudFormation(fake, "Copy", CopyOf=DNS)


@pytest.fixture
def fields(fake: Target) -> CloudFormation:
    return CloudFormation(fake, "Fields", FieldsOnly="true")


def put_by_addon(server: FakeApiServer, item: dict[str, Any]) -> dict[str, Any]:
    """An object as an add-on applies it."""
    resource = next(r for r in server.store.resources() if r.kind == item["kind"])
    namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
    return server.store.apply(resource, resource.key(namespace, name), item, "eks", force=True)[0]


def service(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "dns", "namespace": "team"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


# Copies


def test_a_copy_has_the_originals_spec_with_the_changes(
    copies: CloudFormation, fake: Target, server: FakeApiServer
) -> None:
    server.store.put(deployment())
    copies.create([CHANGES])
    copy = fake.find(SERVERS)
    assert copy is not None
    defaults = ("progressDeadlineSeconds", "revisionHistoryLimit", "strategy")
    assert {key: value for key, value in copy["spec"].items() if key not in defaults} == {
        "template": {
            "metadata": {"labels": {"app": "dns"}},
            "spec": {
                "containers": [
                    {
                        "name": "dns",
                        "image": "dns:1",
                        "env": [
                            {"name": "A", "value": "1"},
                            {"name": "B", "value": "3"},
                            {"name": "C", "value": "4"},
                        ],
                    }
                ],
                "tolerations": [{"operator": "Exists"}],
            },
        }
    }
    assert "theirs" not in copy["metadata"].get("labels", {})
    assert "status" not in copy


def test_an_update_copies_the_newer_original_and_a_deletion_leaves_it(
    copies: CloudFormation, fake: Target, server: FakeApiServer
) -> None:
    server.store.put(deployment())
    copies.create([CHANGES])
    server.store.put(deployment("dns:2", minReadySeconds=5))
    copies.update([CHANGES], RerunOn="2")
    copy = fake.find(SERVERS)
    assert copy is not None
    assert copy["spec"]["minReadySeconds"] == 5
    assert copy["spec"]["template"]["spec"]["containers"][0]["image"] == "dns:2"
    server.store.put(deployment("dns:3"))
    copies.update([CHANGES], RerunOn="3")
    assert "minReadySeconds" not in (fake.find(SERVERS) or {})["spec"]
    copies.delete()
    assert fake.find(SERVERS) is None
    assert server.store.get("deployments", "dns", "team")


def test_the_original_is_waited_for(copies: CloudFormation, fake: Target, server: FakeApiServer) -> None:
    server.store.later(90, lambda: server.store.put(deployment()) and None)
    copies.create([CHANGES])
    assert fake.find(SERVERS)


def test_a_missing_original_is_reported_and_nothing_is_left(copies: CloudFormation, fake: Target) -> None:
    with pytest.raises(HandlerError, match=r"Deployment team/dns could not be read: failed after \d+ attempts"):
        copies.create([CHANGES], RetrySeconds="60")
    assert fake.find(SERVERS) is None


def test_a_copy_is_deleted_when_its_original_went_first(
    copies: CloudFormation, fake: Target, server: FakeApiServer
) -> None:
    server.store.put(deployment())
    copies.create([CHANGES])
    fake.api.delete("/apis/apps/v1/namespaces/team/deployments/dns", propagation="Background")
    copies.delete()
    assert fake.find(SERVERS) is None
    copies.delete()


def test_a_failed_copy_removes_what_it_created(copies: CloudFormation, fake: Target, server: FakeApiServer) -> None:
    server.store.put(deployment())
    server.fault(method="PATCH", path="daemonsets", status=422, reason="Invalid", message="no", times=1)
    with pytest.raises(HandlerError, match="DaemonSet team/node-dns was not applied"):
        copies.create([CHANGES])
    assert fake.find(SERVERS) is None


# Fields


def test_fields_are_set_without_changing_those_of_others_and_restored(
    fields: CloudFormation, fake: Target, server: FakeApiServer
) -> None:
    put_by_addon(server, service(clusterIP="10.0.0.10"))
    fields.create([service(internalTrafficPolicy="Local")])
    found = fake.find(SERVICE)
    assert found is not None
    assert found["spec"] == {"clusterIP": "10.0.0.10", "internalTrafficPolicy": "Local"}
    assert not owners(found["metadata"].get("annotations")), "the object is not owned"
    fields.delete()
    assert (fake.find(SERVICE) or {})["spec"] == {"clusterIP": "10.0.0.10"}


def test_fields_survive_an_update_of_their_owner(fields: CloudFormation, fake: Target, server: FakeApiServer) -> None:
    put_by_addon(server, service(clusterIP="10.0.0.10"))
    fields.create([service(internalTrafficPolicy="Local")])
    put_by_addon(server, service(clusterIP="10.0.0.10", sessionAffinity="None"))
    assert (fake.find(SERVICE) or {})["spec"]["internalTrafficPolicy"] == "Local"


def test_a_field_that_the_owner_sets_as_well_is_retained(
    fields: CloudFormation, fake: Target, server: FakeApiServer
) -> None:
    put_by_addon(server, service(internalTrafficPolicy="Local"))
    fields.create([service(internalTrafficPolicy="Local")])
    put_by_addon(server, service(internalTrafficPolicy="Local"))
    fields.delete()
    assert (fake.find(SERVICE) or {})["spec"] == {"internalTrafficPolicy": "Local"}


def test_two_resources_own_fields_of_one_object(fake: Target, server: FakeApiServer) -> None:
    put_by_addon(server, service(clusterIP="10.0.0.10"))
    first, second = (CloudFormation(fake, name, FieldsOnly="true") for name in ("First", "Second"))
    first.create([service(internalTrafficPolicy="Local")])
    second.create([service(sessionAffinity="ClientIP")])
    first.delete()
    assert (fake.find(SERVICE) or {})["spec"] == {"clusterIP": "10.0.0.10", "sessionAffinity": "ClientIP"}


def test_a_missing_object_is_waited_for_and_not_created(
    fields: CloudFormation, fake: Target, server: FakeApiServer
) -> None:
    with pytest.raises(HandlerError, match=r"Service team/dns was not applied: failed .* does not exist"):
        fields.create([service(internalTrafficPolicy="Local")], RetrySeconds="60")
    assert fake.find(SERVICE) is None
    server.store.later(30, lambda: put_by_addon(server, service(clusterIP="10.0.0.10")) and None)
    fields.create([service(internalTrafficPolicy="Local")])
    assert (fake.find(SERVICE) or {})["spec"]["internalTrafficPolicy"] == "Local"


def test_restoring_fields_of_a_deleted_object_or_cluster_succeeds(
    fields: CloudFormation, fake: Target, server: FakeApiServer
) -> None:
    put_by_addon(server, service(clusterIP="10.0.0.10"))
    fields.create([service(internalTrafficPolicy="Local")])
    fake.api.delete(SERVICE, propagation="Background")
    fields.delete()
    assert fake.find(SERVICE) is None
    event = fields.event("Delete", fields.properties, PhysicalResourceId=fields.physical_id)
    handle(event, Services(fake.aws, cluster_gone, fake.services.clock), 840)


def test_a_rejected_restore_is_reported(fields: CloudFormation, server: FakeApiServer) -> None:
    put_by_addon(server, service(clusterIP="10.0.0.10"))
    fields.create([service(internalTrafficPolicy="Local")])
    server.fault(method="PATCH", path="services", status=422, reason="Invalid", message="no")
    with pytest.raises(HandlerError, match="the fields of Service team/dns were not restored: 422 Invalid: no"):
        fields.delete()
