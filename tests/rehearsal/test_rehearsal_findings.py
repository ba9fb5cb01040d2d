"""Findings of a rehearsal about resources that a stack leaves behind, cannot create again, or creates too early."""

from __future__ import annotations

import pytest
from rehearsal_apps import custom, function, resource, stack, subnet, vpc
from test_rehearsal_stacks import _with, statuses

from hyperpod_constructs.assembly.rehearsal import Fault, Rehearsal


def found(rehearsal: Rehearsal) -> list[tuple[str, str, str, str]]:
    return [(each.rule, each.severity.value, each.path, each.message) for each in rehearsal.findings]


@pytest.mark.parametrize("fails", [True, False])
def test_a_resource_that_is_not_deleted_after_an_update_is_left_behind(fails: bool):
    rehearsal = Rehearsal(faults=[Fault("Net.Subnet", action="delete")] * fails)
    rehearsal.deploy([stack("Net", {"Vpc": vpc(), "Subnet": subnet("10.0.0.0/24")})])
    assert statuses(rehearsal.deploy([stack("Net", {"Vpc": vpc()})])) == ["UPDATE_COMPLETE"]
    message = "was not deleted after the update: Subnet (AWS::EC2::Subnet): the service rejects the deletion (injected)"
    assert found(rehearsal) == [("HPR03", "error", "Net", message)] * fails


@pytest.mark.parametrize("fails", [True, False])
def test_a_stack_whose_rollback_fails_accepts_no_further_update(fails: bool):
    rehearsal = Rehearsal(faults=[Fault("Net.Last"), *[Fault("Net.Subnet", action="delete")] * fails])
    app = stack("Net", {"Vpc": vpc(), "Subnet": subnet("10.0.0.0/24"), "Last": subnet("10.0.1.0/24", "Subnet")})
    assert statuses(rehearsal.deploy([app])) == ["ROLLBACK_FAILED" if fails else "ROLLBACK_COMPLETE"]
    message = "is ROLLBACK_FAILED: Subnet (AWS::EC2::Subnet): the service rejects the deletion (injected)"
    assert [each for each in found(rehearsal) if each[0] == "HPR06"] == [("HPR06", "error", "Net", message)] * fails


@pytest.mark.parametrize("allowed", [True, False])
def test_a_function_that_may_not_write_its_logs_is_reported(allowed: bool):
    write = {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}
    policies = [{"PolicyName": "logs", "PolicyDocument": {"Statement": [write]}}] if allowed else []
    parts = function()
    parts["Role"]["Properties"]["Policies"] = policies
    parts["Function"]["Properties"]["LoggingConfig"] = {"LogGroup": {"Ref": "Logs"}}
    parts["Logs"] = resource("AWS::Logs::LogGroup", LogGroupName="/mine")
    rehearsal, _ = _with(lambda event: {"PhysicalResourceId": "a"})
    assert statuses(rehearsal.deploy([stack("S", {**parts, "Thing": custom()})])) == ["CREATE_COMPLETE"]
    message = "the function S.Function lacks permission (yet) to write to its log group /mine"
    assert [each for each in found(rehearsal) if each[0] == "HPR02"] == (
        [] if allowed else [("HPR02", "error", "S.Function", message)]
    )
