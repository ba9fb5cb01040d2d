"""CloudFormation, simulated: creation, update, rollback and deletion of one stack at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..graph import Stack
from .account import NotModeled, Refused
from .plan import Fault, Record, Step, Timing
from .resources import Live, Request, Resources
from .stack import Deployed, Outcome, dependencies, not_after, same, wanted_of
from .values import Scope, Unresolved
from .world import Signal, Steps, World

BOOTSTRAP_VERSION = "30"
"""Bootstrap version of the simulated account; templates require at least 6."""


class CloudFormation:
    """All stacks of one account and region."""

    def __init__(self, world: World, resources: Resources, timing: Timing, record: Record) -> None:
        self.world, self.resources, self.timing, self.record = world, resources, timing, record
        self.stacks: dict[str, Deployed] = {}
        self.faults: list[Fault] = []
        self.interrupt: Callable[[], None] = lambda: None
        """Called when the CDK CLI exits; CloudFormation continues."""
        self._ids = 0

    # Operations of a user

    def deploy(self, stack: Stack) -> Steps:
        """Creates a stack, or updates the deployed one. Returns an `Outcome`."""
        self.resources.changing -= {change for change in self.resources.changing if change[0] == stack.deployed_name}
        deployed = self.stacks.get(stack.deployed_name)
        if deployed is not None and deployed.in_progress:
            reason = f"Stack:{deployed.id} is in {deployed.status} state and can not be updated."
            return Outcome(deployed.name, "REFUSED", reason)
        if deployed is not None and deployed.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS"):
            yield from self.delete(deployed.name)  # the CDK CLI does this (2.1148)
            deployed = self.stacks.get(stack.deployed_name)
        if deployed is None:
            return (yield from self._create(stack))
        if deployed.status.endswith("_FAILED"):
            return Outcome(
                deployed.name, deployed.status, f"{deployed.name} is {deployed.status}: it cannot be updated"
            )
        if deployed.source.template == stack.template:
            return Outcome(deployed.name, "UNCHANGED")
        return (yield from self._update(deployed, stack))

    def delete(self, name: str) -> Steps:
        """Deletes a stack. Returns an `Outcome`."""
        deployed = self.stacks[name]
        for export in deployed.exports:
            users = self._users(export, but=name)
            if users:
                return Outcome(
                    name, "DELETE_FAILED", f"Export {export} cannot be deleted as it is in use by {users[0]}"
                )
        deployed.status = "DELETE_IN_PROGRESS"
        failures = yield from self._remove(deployed, dict(deployed.live), deployed.source, "stack deleted")
        if failures:
            deployed.status = "DELETE_FAILED"
            return Outcome(name, "DELETE_FAILED", "; ".join(failures))
        del self.stacks[name]
        return Outcome(name, "DELETE_COMPLETE")

    # Creation

    def _create(self, stack: Stack) -> Steps:
        self._ids += 1
        account = self.resources.account
        arn = f"arn:{account.partition}:cloudformation:{account.region}:{account.account}:stack"
        deployed = Deployed(stack.deployed_name, f"{arn}/{stack.deployed_name}/{self._ids:08x}", stack)
        self.stacks[deployed.name] = deployed
        scope = self._scope(deployed, stack, deployed.imports)
        try:
            self._check_rules(stack, scope)
            wanted = wanted_of(stack, scope)
        except Unresolved as refusal:
            del self.stacks[deployed.name]
            return Outcome(deployed.name, "REFUSED", str(refusal))
        created: dict[str, Live] = {}
        failure = yield from self._each(
            deployed, stack, wanted, lambda name: self._create_one(deployed, name, wanted[name], scope, created)
        )
        if not failure:
            failure = self._publish(deployed, stack, scope, deployed.imports)
        if failure:
            failures = yield from self._remove(deployed, dict(created), stack, "creation rolled back")
            deployed.status = "ROLLBACK_FAILED" if failures else "ROLLBACK_COMPLETE"
            deployed.imports.clear()
            if failures:
                self._report_failed_rollback(deployed, failures)
            return Outcome(deployed.name, deployed.status, failure)
        deployed.status = "CREATE_COMPLETE"
        return Outcome(deployed.name, deployed.status)

    def _create_one(
        self, deployed: Deployed, name: str, body: Mapping[str, Any], scope: Scope, created: dict[str, Live]
    ) -> Steps:
        request = self._request(deployed, name, body, scope)
        live = yield from self.resources.create(request, self._fault(deployed.name, name, "create"), created)
        deployed.live[name] = live
        created[name] = live

    # Update

    def _update(self, deployed: Deployed, stack: Stack) -> Steps:
        imports: set[str] = set()
        scope = self._scope(deployed, stack, imports)
        before, old = dict(deployed.live), deployed.source
        try:
            self._check_rules(stack, scope)
            wanted = wanted_of(stack, scope)
        except Unresolved as refusal:
            return Outcome(deployed.name, "REFUSED", str(refusal))
        created: dict[str, Live] = {}
        deployed.status = "UPDATE_IN_PROGRESS"
        failure = yield from self._each(
            deployed, stack, wanted, lambda name: self._update_one(deployed, name, wanted[name], scope, created)
        )
        if not failure:
            failure = self._publish(deployed, stack, scope, imports)
        if failure:
            return (yield from self._roll_back(deployed, stack, before, created, failure))
        deployed.source, deployed.imports = stack, imports
        former = {
            name: live for name, live in before.items() if deployed.live.get(name) is not live or name not in wanted
        }
        replaced = {name: live for name, live in former.items() if name in wanted and live.id != deployed.live[name].id}
        removed = {name: live for name, live in former.items() if name not in wanted}
        for name in removed:
            deployed.live.pop(name, None)
        policy = dict.fromkeys(replaced, "UpdateReplacePolicy") | dict.fromkeys(removed, "DeletionPolicy")
        failures = yield from self._remove(deployed, {**replaced, **removed}, old, "replaced or removed", policy)
        for reason in failures:  # CloudFormation continues, and no longer manages resources that it could not delete
            self.record.find("HPR03", deployed.name, f"was not deleted after the update: {reason}")
        deployed.status = "UPDATE_COMPLETE"
        return Outcome(deployed.name, deployed.status)

    def _update_one(
        self, deployed: Deployed, name: str, body: Mapping[str, Any], scope: Scope, created: dict[str, Live]
    ) -> Steps:
        live = deployed.live.get(name)
        request = self._request(deployed, name, body, scope)
        fault = self._fault(deployed.name, name, "create" if live is None else "update")
        if live is None:
            deployed.live[name] = yield from self.resources.create(request, fault, created)
            return
        if live.kind != request.kind:
            raise Refused(f"Update of resource type is not permitted: {live.kind} would become {request.kind}")
        if same(live.properties, request.properties):
            live.body = body
            return False
        deployed.live[name] = yield from self.resources.update(request, live, fault, created)

    def _roll_back(
        self, deployed: Deployed, stack: Stack, before: dict[str, Live], created: dict[str, Live], failure: str
    ) -> Steps:
        """Undoes an update: restores resources in the old template's order, and deletes new ones in the reverse order."""
        failures: list[str] = []
        scope = self._scope(deployed, deployed.source, set())
        changed = {name: live for name, live in before.items() if deployed.live.get(name) is not live}

        def back(name: str) -> Steps:
            now, then = deployed.live[name], before[name]
            request = self._request(deployed, name, then.body, scope)
            request.properties = then.properties
            deployed.live[name] = yield from self.resources.back(request, now, then)

        problem = yield from self._each(deployed, deployed.source, changed, back, action="roll back")
        if problem:
            failures.append(problem)
        for name in [name for name in deployed.live if name not in before]:
            del deployed.live[name]
        extra = {
            name: live
            for name, live in created.items()
            if all(live is not resource for resource in deployed.live.values())
        }
        failures += yield from self._remove(deployed, extra, stack, "update rolled back", {})
        deployed.status = "UPDATE_ROLLBACK_FAILED" if failures else "UPDATE_ROLLBACK_COMPLETE"
        if failures:
            self._report_failed_rollback(deployed, failures)
        return Outcome(deployed.name, deployed.status, failure)

    # Deletion of several resources

    def _remove(
        self,
        deployed: Deployed,
        resources: dict[str, Live],
        source: Stack,
        why: str,
        policy: Mapping[str, str] | None = None,
    ) -> Steps:
        """Deletes resources in the reverse order of their creation; returns the reasons of failures."""
        failures: list[str] = []
        needs = dependencies(source, resources)
        followers: dict[str, set[str]] = {name: set() for name in resources}
        for name, firsts in needs.items():
            for first in firsts:
                followers[first].add(name)
        bad: set[str] = set()

        def delete(name: str) -> Steps:
            live = resources[name]
            if followers[name] & bad:
                bad.add(name)
                return False
            which = "DeletionPolicy" if policy is None else policy.get(name, "")
            keeps = live.body.get(which)
            loss = self.resources.loss(live, name) if policy else None
            if keeps in ("Retain", "Snapshot") or (keeps == "RetainExceptOnCreate" and why != "creation rolled back"):
                self.resources.retained(live, deployed.name, name, why)
                if loss is not None and loss.rule == "HP973" and which == "UpdateReplacePolicy":
                    replaced = f"{live.kind} {live.id} is replaced by a new, empty resource"
                    message = f"{replaced}; the old resource is retained and billed"
                    self.record.find(loss.rule, f"{deployed.name}.{name}", message)
                deployed.live.pop(name, None) if deployed.live.get(name) is live else None
                return False
            if loss is not None:
                message = f"the update deletes {live.kind} {live.id} ({why}): {loss.what}"
                self.record.find(loss.rule, f"{deployed.name}.{name}", message)
            try:
                fault = self._fault(deployed.name, name, "delete")
                yield from self.resources.delete(live, deployed.name, deployed.id, name, fault)
            except (Refused, NotModeled, TimeoutError) as refusal:
                bad.add(name)
                failures.append(f"{name} ({live.kind}): {refusal}")
                raise
            if deployed.live.get(name) is live:
                del deployed.live[name]

        yield from self._each(deployed, source, resources, delete, needs=followers, action="delete", continues=True)
        return failures

    # Operations on several resources

    def _each(
        self,
        deployed: Deployed,
        stack: Stack,
        names: Iterable[str],
        operation: Callable[[str], Steps],
        *,
        needs: Mapping[str, set[str]] | None = None,
        action: str = "",
        continues: bool = False,
    ) -> Steps:
        """Runs an operation on each resource after its dependencies are complete; returns the first failure, or ''."""
        names = list(names)
        needs = needs if needs is not None else dependencies(stack, names)
        done: dict[str, Signal] = {name: self.world.signal() for name in names}
        ended: dict[str, float] = {}
        state = {"failure": ""}

        def run(name: str) -> Steps:
            waits = set(needs[name])
            if f"{deployed.name}.{name}" in self.timing.late:
                waits |= not_after(name, names, needs)
            last: str | None = None
            for other in sorted(waits):
                yield done[other]
            for other in waits:
                if last is None or ended.get(other, 0.0) >= ended.get(last, 0.0):
                    last = other
            if not state["failure"]:
                yield self.timing.delay()
            if state["failure"] and not continues:
                done[name].set()
                return
            start, failed, quiet = self.world.now, "", False
            verb = action or ("update" if name in deployed.live else "create")
            try:
                quiet = (yield from operation(name)) is False
            except (Refused, NotModeled, Unresolved, TimeoutError) as refusal:
                failed = str(refusal)
                body = stack.resources.get(name, {})
                state["failure"] = state["failure"] or f"{name} ({body.get('Type', '')}): {refusal}"
            ended[name] = self.world.now
            if not quiet:
                kind = str(stack.resources.get(name, {}).get("Type", ""))
                after = (deployed.name, last) if last else None
                self.record.steps.append(Step(deployed.name, name, kind, verb, start, self.world.now, after, failed))
            done[name].set()

        processes = [self.world.start(run(name)) for name in self.timing.shuffled(names)]
        yield from processes
        return state["failure"]

    # Values

    def _request(self, deployed: Deployed, name: str, body: Mapping[str, Any], scope: Scope) -> Request:
        properties = scope.resolve(body.get("Properties") or {})
        return Request(deployed.name, deployed.id, name, str(body["Type"]), properties, body)

    def _scope(self, deployed: Deployed, stack: Stack, imports: set[str]) -> Scope:
        account = self.resources.account

        def ref(name: str) -> Any:
            if name not in deployed.live:
                raise Unresolved(f"{name} does not exist")
            return deployed.live[name].id

        def get_att(name: str, attribute: str) -> Any:
            if name not in deployed.live:
                raise Unresolved(f"{name} does not exist")
            return self.resources.attribute(deployed.live[name], attribute)

        def imported(export: str) -> Any:
            for other in self.stacks.values():
                if export in other.exports:
                    imports.add(export)
                    return other.exports[export]
            raise Unresolved(f"No export named {export} found")

        def output(name: str, key: str) -> Any:
            if name not in self.stacks or key not in self.stacks[name].outputs:
                raise Unresolved(f"stack {name} has no output {key}")
            return self.stacks[name].outputs[key]

        parameters = {
            name: BOOTSTRAP_VERSION
            if str(given.get("Default", "")).startswith("/cdk-bootstrap/")
            else given.get("Default")
            for name, given in (stack.template.get("Parameters") or {}).items()
        }
        pseudo: dict[str, Any] = {
            "AWS::AccountId": account.account,
            "AWS::Region": account.region,
            "AWS::Partition": account.partition,
            "AWS::StackName": deployed.name,
            "AWS::StackId": deployed.id,
            "AWS::URLSuffix": "amazonaws.com.cn" if account.partition == "aws-cn" else "amazonaws.com",
            "AWS::NotificationARNs": [],
        }
        conditions = stack.template.get("Conditions") or {}
        mappings = stack.template.get("Mappings") or {}
        return Scope(pseudo, parameters, conditions, mappings, ref, get_att, imported, output)

    def _check_rules(self, stack: Stack, scope: Scope) -> None:
        for rule in (stack.template.get("Rules") or {}).values():
            if "RuleCondition" in rule and not scope.resolve(rule["RuleCondition"]):
                continue
            for assertion in rule["Assertions"]:
                if not scope.resolve(assertion["Assert"]):
                    raise Unresolved(assertion.get("AssertDescription", "an assertion of a template rule is false"))

    # Exports

    def _publish(self, deployed: Deployed, stack: Stack, scope: Scope, imports: set[str]) -> str:
        """Sets a stack's outputs and exports; returns the reason if CloudFormation rejects them, otherwise ''."""
        outputs: dict[str, Any] = {}
        exports: dict[str, Any] = {}
        try:
            for key, output in (stack.template.get("Outputs") or {}).items():
                if "Condition" in output and not scope.condition(output["Condition"]):
                    continue
                outputs[key] = scope.resolve(output["Value"])
                if "Export" in output:
                    exports[scope.resolve(output["Export"]["Name"])] = outputs[key]
        except Unresolved as refusal:
            return str(refusal)
        for name, value in deployed.exports.items():
            users = self._users(name, but=deployed.name)
            if users and name not in exports:
                return f"Export {name} cannot be deleted as it is in use by {', '.join(users)}"
            if users and exports[name] != value:
                return f"Export {name} cannot be updated as it is in use by {', '.join(users)}"
        for name in exports:
            owner = next(
                (stack.name for stack in self.stacks.values() if stack is not deployed and name in stack.exports), None
            )
            if owner:
                return f"Export with name {name} is already exported by stack {owner}"
        deployed.outputs, deployed.exports = outputs, exports
        return ""

    def _users(self, export: str, but: str) -> list[str]:
        return [stack.name for stack in self.stacks.values() if stack.name != but and export in stack.imports]

    # Failures

    def _fault(self, stack: str, name: str, action: str) -> Fault | None:
        for fault in self.faults:
            if fault.hits(stack, name, action):
                self.faults.remove(fault)
                if fault.how == "interrupted":
                    self.interrupt()
                    return None
                return fault
        return None

    def _report_failed_rollback(self, deployed: Deployed, failures: list[str]) -> None:
        self.record.find("HPR06", deployed.name, f"is {deployed.status}: {'; '.join(failures)}")
