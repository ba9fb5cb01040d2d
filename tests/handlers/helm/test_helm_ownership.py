"""Releases that are renamed, shared, adopted, rolled back, and events whose responses are lost; with the real helm.

Each scenario is what CloudFormation and CDK's provider framework send; see `tests/support/cloudformation.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloudformation import FAILS, Delivery
from helm_api_server import HelmApiServer
from helm_cloud import HelmCloud
from helm_targets import access_to

from hyperpod_constructs.handlers.shared.eks import ClusterAccess, ClusterNotReady

pytestmark = pytest.mark.slow


@pytest.fixture
def helm_cloud(web: Any, server: HelmApiServer, helm_binary: str, tmp_path: Path) -> HelmCloud:
    return HelmCloud(web, server, helm_binary, tmp_path)


def refuse(server: HelmApiServer) -> Any:
    """The API server rejects the objects of the release."""
    return server.fault(path="/configmaps", method="PATCH", status=422, reason="Invalid", message="not on a Friday")


# Renamed and moved.


def test_a_renamed_construct_keeps_its_release(helm_cloud: HelmCloud) -> None:
    stack = helm_cloud.cloud.stack("Platform")
    assert stack.deploy({"Old": helm_cloud.release("red")}) == "CREATE_COMPLETE"
    assert stack.deploy({"New": helm_cloud.release("blue")}) == "UPDATE_COMPLETE"
    assert stack.reasons == []
    assert helm_cloud.color() == "blue"
    assert helm_cloud.owners() == ["Platform.New"]
    assert stack.delete() == "DELETE_COMPLETE"
    assert helm_cloud.color() is None
    assert helm_cloud.history() == []


def test_a_renamed_construct_that_is_rolled_back_keeps_its_release_and_values(helm_cloud: HelmCloud) -> None:
    stack = helm_cloud.cloud.stack("Platform")
    stack.deploy({"Old": helm_cloud.release("red")})
    assert stack.deploy({"New": helm_cloud.release("blue"), "Bad": FAILS}) == "UPDATE_ROLLBACK_COMPLETE"
    assert helm_cloud.color() == "red"
    assert helm_cloud.owners() == ["Platform.Old"]
    assert stack.delete() == "DELETE_COMPLETE"
    assert helm_cloud.history() == []


def test_a_release_that_moves_to_another_stack_stays(helm_cloud: HelmCloud) -> None:
    first, second = helm_cloud.cloud.stack("First"), helm_cloud.cloud.stack("Second")
    first.deploy({"Colors": helm_cloud.release("red"), "Other": helm_cloud.release("red", release="other")})
    assert second.deploy({"Colors": helm_cloud.release("red")}) == "CREATE_COMPLETE"
    assert first.deploy({"Other": helm_cloud.release("red", release="other")}) == "UPDATE_COMPLETE"
    assert helm_cloud.color() == "red"
    assert helm_cloud.owners() == ["Second.Colors"]


def test_another_release_name_replaces_the_release(helm_cloud: HelmCloud) -> None:
    stack = helm_cloud.cloud.stack("Platform")
    stack.deploy({"Colors": helm_cloud.release("red")})
    assert stack.deploy({"Colors": helm_cloud.release("red", release="paints")}) == "UPDATE_COMPLETE"
    assert (helm_cloud.color("colors"), helm_cloud.color("paints")) == (None, "red")


@pytest.mark.parametrize("rollback_of_replacement", ["update", "delete"])
def test_a_replacement_that_is_rolled_back_leaves_one_release(
    helm_cloud: HelmCloud, rollback_of_replacement: str
) -> None:
    stack = helm_cloud.cloud.stack("Platform", rollback_of_replacement=rollback_of_replacement)
    stack.deploy({"Colors": helm_cloud.release("red")})
    renamed = helm_cloud.release("blue", release="paints")
    assert stack.deploy({"Colors": renamed, "Bad": FAILS}) == "UPDATE_ROLLBACK_COMPLETE"
    assert (helm_cloud.color("colors"), helm_cloud.color("paints")) == ("red", None)


def test_a_replacement_whose_response_is_lost_leaves_one_release(helm_cloud: HelmCloud) -> None:
    stack = helm_cloud.cloud.stack("Platform")
    stack.deploy({"Colors": helm_cloud.release("red")})
    deliveries = iter([Delivery.LOST])
    helm_cloud.cloud.deliver = lambda event: next(deliveries, Delivery.ONCE)
    assert stack.deploy({"Colors": helm_cloud.release("blue", release="paints")}) == "UPDATE_ROLLBACK_COMPLETE"
    assert (helm_cloud.color("colors"), helm_cloud.color("paints")) == ("red", None)


# Shared.


def test_a_release_of_two_stacks_is_uninstalled_with_the_last_one(helm_cloud: HelmCloud) -> None:
    first, second = helm_cloud.cloud.stack("First"), helm_cloud.cloud.stack("Second")
    first.deploy({"Colors": helm_cloud.release("red")})
    second.deploy({"Colors": helm_cloud.release("red")})
    assert helm_cloud.owners() == ["First.Colors", "Second.Colors"]
    assert first.delete() == "DELETE_COMPLETE"
    assert helm_cloud.color() == "red"
    assert second.delete() == "DELETE_COMPLETE"
    assert helm_cloud.color() is None


def test_leaving_a_shared_release_restores_the_values_of_the_other_owner(helm_cloud: HelmCloud) -> None:
    first, second = helm_cloud.cloud.stack("First"), helm_cloud.cloud.stack("Second")
    first.deploy({"Colors": helm_cloud.release("red")})
    second.deploy({"Colors": helm_cloud.release("blue")})
    assert helm_cloud.color() == "blue"
    second.delete()
    assert helm_cloud.color() == "red"
    assert helm_cloud.owners() == ["First.Colors"]


def test_a_failed_adoption_does_not_change_the_release(helm_cloud: HelmCloud, server: HelmApiServer) -> None:
    first, second = helm_cloud.cloud.stack("First"), helm_cloud.cloud.stack("Second")
    first.deploy({"Colors": helm_cloud.release("red")})
    fault = refuse(server)
    fault.times = 1
    assert second.deploy({"Colors": helm_cloud.release("blue")}) == "ROLLBACK_COMPLETE"
    assert "not on a Friday" in second.reasons[0]
    assert helm_cloud.color() == "red"
    assert helm_cloud.owners() == ["First.Colors"]
    assert helm_cloud.history()[-1].status == "deployed"
    first.delete()
    assert helm_cloud.history() == []


def test_a_former_owner_is_not_restored_with_its_revision(helm_cloud: HelmCloud) -> None:
    first, second, third = (helm_cloud.cloud.stack(name) for name in ("First", "Second", "Third"))
    first.deploy({"Colors": helm_cloud.release("red")})
    second.deploy({"Colors": helm_cloud.release("green")})
    first.delete()
    third.deploy({"Colors": helm_cloud.release("blue")})
    third.delete()
    assert helm_cloud.color() == "green"
    assert helm_cloud.owners() == ["Second.Colors"], "although First also owned that revision"
    second.delete()
    assert helm_cloud.history() == []


# Created by a user.


def test_a_manually_installed_release_is_rejected(helm_cloud: HelmCloud) -> None:
    helm_cloud.install_by_hand()
    stack = helm_cloud.cloud.stack("Platform")
    assert stack.deploy({"Colors": helm_cloud.release("blue")}) == "ROLLBACK_COMPLETE"
    assert stack.reasons == [
        "Helm release colors in namespace team of cluster research was not installed: Helm release colors in namespace "
        "team already exists and was not created by this library (it was last changed by Helm). To manage it here and keep "
        "it when this resource is deleted, set adopt to true; otherwise uninstall it, or use another release name. If an "
        "earlier version of this library installed it, deploy this version once without renaming or moving the construct; "
        "the release is then recognized."
    ]
    assert helm_cloud.color() == "hand-made"
    assert [revision.number for revision in helm_cloud.history()] == [1]


def test_an_adopted_release_is_upgraded_and_never_uninstalled(helm_cloud: HelmCloud) -> None:
    helm_cloud.install_by_hand()
    stack = helm_cloud.cloud.stack("Platform")
    assert stack.deploy({"Colors": helm_cloud.release("blue", adopt=True)}) == "CREATE_COMPLETE"
    assert stack.deploy({"Colors": helm_cloud.release("green", adopt=True)}) == "UPDATE_COMPLETE"
    assert stack.delete() == "DELETE_COMPLETE"
    assert helm_cloud.color() == "green", "later objects may require it"
    last = helm_cloud.history()[-1]
    assert (last.owners, last.existed, last.status) == (frozenset(), False, "deployed")


def test_an_adoption_that_is_rolled_back_gives_the_release_back(helm_cloud: HelmCloud) -> None:
    helm_cloud.install_by_hand()
    stack = helm_cloud.cloud.stack("Platform")
    assert stack.deploy({"Colors": helm_cloud.release("blue", adopt=True), "Bad": FAILS}) == "ROLLBACK_COMPLETE"
    assert helm_cloud.color() == "hand-made"
    assert not helm_cloud.history()[-1].marks


def test_an_adoption_that_fails_gives_the_release_back(helm_cloud: HelmCloud, server: HelmApiServer) -> None:
    helm_cloud.install_by_hand()
    fault = refuse(server)
    fault.times = 1
    stack = helm_cloud.cloud.stack("Platform")
    assert stack.deploy({"Colors": helm_cloud.release("blue", adopt=True)}) == "ROLLBACK_COMPLETE"
    assert helm_cloud.color() == "hand-made"
    assert not helm_cloud.history()[-1].marks


def test_a_shared_adopted_release_is_not_uninstalled(helm_cloud: HelmCloud) -> None:
    helm_cloud.install_by_hand()
    first, second = helm_cloud.cloud.stack("First"), helm_cloud.cloud.stack("Second")
    first.deploy({"Colors": helm_cloud.release("blue", adopt=True)})
    second.deploy({"Colors": helm_cloud.release("blue")})
    first.delete()
    assert helm_cloud.history()[-1].existed
    second.delete()
    assert helm_cloud.color() is not None


def test_a_release_recreated_by_another_owner_is_not_uninstalled(helm_cloud: HelmCloud) -> None:
    stack = helm_cloud.cloud.stack("Platform")
    stack.deploy({"Colors": helm_cloud.release("red")})
    helm_cloud.by_hand("uninstall", "colors")
    helm_cloud.install_by_hand()
    assert stack.delete() == "DELETE_COMPLETE"
    assert helm_cloud.color() == "hand-made"


# Created by the version without marks.


def test_a_release_of_the_former_version_is_marked_by_its_next_update(helm_cloud: HelmCloud) -> None:
    stack = helm_cloud.cloud.stack("Platform")
    stack.deploy({"Colors": helm_cloud.release("red")})
    remove_marks(helm_cloud)
    stack.live["Colors"].resource = helm_cloud.former(helm_cloud.release("red"))
    assert stack.deploy({"Colors": helm_cloud.release("red")}) == "UPDATE_COMPLETE"
    assert helm_cloud.owners() == ["Platform.Colors"]
    assert stack.deploy({"Renamed": helm_cloud.release("red")}) == "UPDATE_COMPLETE"
    assert helm_cloud.owners() == ["Platform.Renamed"]


def test_a_release_of_the_former_version_is_uninstalled_with_its_resource(helm_cloud: HelmCloud) -> None:
    stack = helm_cloud.cloud.stack("Platform")
    stack.deploy({"Colors": helm_cloud.release("red")})
    remove_marks(helm_cloud)
    stack.live["Colors"].resource = helm_cloud.former(helm_cloud.release("red"))
    assert stack.delete() == "DELETE_COMPLETE"
    assert helm_cloud.history() == []


def test_a_release_of_the_former_version_whose_construct_is_renamed_at_once_stays(helm_cloud: HelmCloud) -> None:
    stack = helm_cloud.cloud.stack("Platform")
    stack.deploy({"Colors": helm_cloud.release("red")})
    remove_marks(helm_cloud)
    stack.live["Colors"].resource = helm_cloud.former(helm_cloud.release("red"))
    assert stack.deploy({"Renamed": helm_cloud.release("red")}) == "UPDATE_ROLLBACK_COMPLETE"
    assert "deploy this version once without renaming or moving the construct" in stack.reasons[0]
    assert helm_cloud.color() == "red"


def remove_marks(helm_cloud: HelmCloud) -> None:
    for key, item in helm_cloud.server.store.objects.items():
        if key[1] == "secrets":
            labels = item["metadata"]["labels"]
            item["metadata"]["labels"] = {k: v for k, v in labels.items() if not k.startswith("hyperpod")}


# Lost responses, repeated events.


def test_a_create_with_a_lost_response_is_deleted_with_an_id_of_cloudformation(helm_cloud: HelmCloud) -> None:
    helm_cloud.cloud.deliver = lambda event: Delivery.LOST if event["RequestType"] == "Create" else Delivery.ONCE
    stack = helm_cloud.cloud.stack("Platform")
    assert stack.deploy({"Colors": helm_cloud.release("red")}) == "ROLLBACK_COMPLETE"
    (deleted,) = [sent for sent in helm_cloud.cloud.sent if sent.request == "Delete"]
    assert deleted.physical_id.startswith("Platform-Colors-"), "the response has the id of the event"
    assert helm_cloud.history() == []


@pytest.mark.parametrize("delivery", [Delivery.RETRIED, Delivery.TWICE])
def test_each_event_can_be_repeated(helm_cloud: HelmCloud, delivery: Delivery) -> None:
    helm_cloud.cloud.deliver = lambda event: delivery
    stack = helm_cloud.cloud.stack("Platform")
    assert stack.deploy({"Colors": helm_cloud.release("red")}) == "CREATE_COMPLETE"
    assert stack.deploy({"Colors": helm_cloud.release("blue")}) == "UPDATE_COMPLETE"
    assert helm_cloud.color() == "blue"
    assert stack.delete() == "DELETE_COMPLETE"
    assert helm_cloud.history() == []


def test_a_create_that_succeeded_is_not_undone_if_its_repetition_fails(
    helm_cloud: HelmCloud, server: HelmApiServer
) -> None:
    recorded: list[Any] = []

    def before(event: Mapping[str, Any]) -> None:
        recorded.append(refuse(server) if recorded else None)

    helm_cloud.before = before
    helm_cloud.cloud.deliver = lambda event: Delivery.TWICE
    stack = helm_cloud.cloud.stack("Platform")
    assert stack.deploy({"Colors": helm_cloud.release("red")}) == "CREATE_COMPLETE"
    assert helm_cloud.color() == "red"
    assert helm_cloud.owners() == ["Platform.Colors"]


# The API server and EKS.


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "Forbidden"), (429, "TooManyRequests"), (503, "ServiceUnavailable"), (504, "Timeout")]
)
def test_a_release_that_cannot_be_read_is_not_considered_deleted(
    helm_cloud: HelmCloud, server: HelmApiServer, status: int, reason: str
) -> None:
    stack = helm_cloud.cloud.stack("Platform")
    stack.deploy({"Colors": helm_cloud.release("red")})
    fault = server.fault(path="/secrets", method="GET", status=status, reason=reason, message=f"{reason} for a while")
    assert stack.delete() == "DELETE_FAILED"
    assert f"was not uninstalled: {status} {reason}" in stack.reasons[0]
    fault.times = 0
    assert helm_cloud.color() == "red"
    assert stack.delete() == "DELETE_COMPLETE"
    assert helm_cloud.color() is None


def test_a_new_role_that_eks_and_the_api_server_reject_for_some_seconds(
    helm_cloud: HelmCloud, server: HelmApiServer
) -> None:
    refusals = 3

    def access(name: str) -> ClusterAccess:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not yet"}}, "DescribeCluster")
        return access_to(server)

    helm_cloud.access = access
    server.fault(status=401, reason="Unauthorized", message="Unauthorized", times=2)
    assert helm_cloud.cloud.stack("Platform").deploy({"Colors": helm_cloud.release("red")}) == "CREATE_COMPLETE"


def test_a_cluster_without_an_endpoint_is_waited_for_and_reported(helm_cloud: HelmCloud) -> None:
    def access(name: str) -> ClusterAccess:
        raise ClusterNotReady(f"EKS cluster {name!r} has no endpoint yet (status CREATING)")

    helm_cloud.access = access
    stack = helm_cloud.cloud.stack("Platform")
    assert stack.deploy({"Colors": helm_cloud.release("red")}) == "ROLLBACK_COMPLETE"
    assert "was not installed: 503 NoEndpoint: EKS cluster 'research' has no endpoint yet" in stack.reasons[0]


def test_access_that_was_deleted_first_is_reported_with_the_fix(helm_cloud: HelmCloud, server: HelmApiServer) -> None:
    stack = helm_cloud.cloud.stack("Platform")
    stack.deploy({"Colors": helm_cloud.release("red")})
    server.fault(status=401, reason="Unauthorized", message="Unauthorized")
    assert stack.delete() == "DELETE_FAILED"
    assert stack.reasons[0].endswith(
        "401 Unauthorized: Unauthorized. If the access entry of the function's role was deleted before this resource, "
        "recreate it (aws eks create-access-entry, with the policy AmazonEKSClusterAdminPolicy) and retry the operation"
    )


# Interrupted operations.


def test_an_operation_that_another_owner_may_still_run_is_not_touched(
    helm_cloud: HelmCloud, server: HelmApiServer
) -> None:
    first, second = helm_cloud.cloud.stack("First"), helm_cloud.cloud.stack("Second")
    first.deploy({"Colors": helm_cloud.release("red")})
    server.set_status("colors", "pending-upgrade")
    assert second.deploy({"Colors": helm_cloud.release("blue")}) == "ROLLBACK_COMPLETE"
    assert "has been pending-upgrade for" in second.reasons[0]
    assert helm_cloud.color() == "red"
    assert helm_cloud.owners() == ["First.Colors"]


def test_an_operation_older_than_the_functions_timeout_has_ended(helm_cloud: HelmCloud, server: HelmApiServer) -> None:
    helm_cloud.install_by_hand()
    helm_cloud.install_by_hand(color="never finished")
    server.set_status("colors", "pending-upgrade")
    server.clock.advance(901)
    stack = helm_cloud.cloud.stack("Platform")
    assert stack.deploy({"Colors": helm_cloud.release("blue", adopt=True)}) == "CREATE_COMPLETE"
    assert helm_cloud.color() == "blue"


def test_an_operation_of_the_last_event_has_ended(helm_cloud: HelmCloud, server: HelmApiServer) -> None:
    stack = helm_cloud.cloud.stack("Platform")
    stack.deploy({"Colors": helm_cloud.release("red")})
    server.set_status("colors", "pending-upgrade")
    began = server.clock.now()
    assert stack.deploy({"Colors": helm_cloud.release("blue")}) == "UPDATE_COMPLETE"
    assert server.clock.now() - began < 60
    assert helm_cloud.color() == "blue"
