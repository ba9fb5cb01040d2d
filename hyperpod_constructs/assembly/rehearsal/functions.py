"""Custom resources: the events that CloudFormation sends, CDK's provider framework, and the library's own functions."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.catalog import deployment_wait
from . import events, handlers
from .account import AwsResource, Refused
from .call import Call
from .events import CREATE_FAILED, LARGEST_ANSWER, LONGEST_SECONDS, NO_ANSWER
from .iam import allowed, has_managed, trusts
from .network import egress_routes
from .plan import Fault
from .resources import Live, Request, Resources
from .world import Blocking, Steps

_FUNCTION = "AWS::Lambda::Function"
_requests = itertools.count(1)


Handler = Callable[[Mapping[str, Any], Call], dict[str, Any]]


@dataclass
class Functions:
    """All functions of an account. `sent` counts the delivered events."""

    services: Resources
    sent: int = 0
    own: dict[str, Handler] = field(default_factory=lambda: dict(handlers.OWN))
    """End of a function's handler name to the code to run for it."""

    # CloudFormation's operations

    def create(self, request: Request, fault: Fault | None, made: dict[str, Live]) -> Steps:
        """Sends a Create."""
        if fault is not None and fault.how == "refused":
            raise Refused("the function cannot be invoked (injected)")
        live = Live(request.kind, "", request.properties, request.body, {})
        event = self._event("Create", request.stack_id, request.name, request.kind, request.properties)
        try:
            answer = yield from self._deliver(event, request, fault, live, made)
            self._answered(live, answer)
        finally:
            if live.id and live.id != CREATE_FAILED:
                made[request.name] = live
        if fault is not None:
            raise Refused("the function succeeded, but a failure is reported (injected)")
        return live

    def update(self, request: Request, live: Live, fault: Fault | None, made: dict[str, Live]) -> Steps:
        """Sends an Update; a different physical id in the response makes CloudFormation delete the old one later."""
        if request.properties.get("ServiceToken") != live.properties.get("ServiceToken"):
            raise Refused("Modifying service token is not allowed.")
        if fault is not None and fault.how == "refused":
            raise Refused("the function cannot be invoked (injected)")
        new = Live(request.kind, live.id, request.properties, request.body, live.attributes)
        event = self._event(
            "Update", request.stack_id, request.name, request.kind, request.properties, live.id, live.properties
        )
        answer = yield from self._deliver(event, request, fault, new, made)
        self._answered(new, answer)
        if new.id != live.id:
            made[request.name] = new
        if fault is not None:
            raise Refused("the function succeeded, but a failure is reported (injected)")
        return new

    def back(self, request: Request, now: Live, then: Live) -> Steps:
        """Sends the Update that rolls back an update, with new and old properties swapped."""
        event = self._event(
            "Update", request.stack_id, request.name, request.kind, then.properties, now.id, now.properties
        )
        live = Live(then.kind, now.id, then.properties, then.body, then.attributes)
        answer = yield from self._deliver(event, request, None, live, {})
        self._answered(live, answer)
        return live

    def delete(self, live: Live, stack: str, stack_id: str, name: str, fault: Fault | None) -> Steps:
        """Sends a Delete."""
        if live.id == CREATE_FAILED:
            return
        event = self._event("Delete", stack_id, name, live.kind, live.properties, live.id)
        request = Request(stack, stack_id, name, live.kind, live.properties, live.body)
        if fault is not None:
            raise Refused("the function rejects the deletion (injected)")
        yield from self._deliver(event, request, fault, live, {})

    # One event

    def _event(
        self,
        request: str,
        stack_id: str,
        name: str,
        kind: str,
        properties: Mapping[str, Any],
        physical_id: str | None = None,
        old: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        self.sent += 1
        return events.event(
            request,
            request_id=f"request-{next(_requests)}",
            stack_id=stack_id,
            logical_id=name,
            kind=kind,
            properties=properties,
            physical_id=physical_id,
            old=old,
        )

    def _deliver(
        self, event: dict[str, Any], request: Request, fault: Fault | None, live: Live, made: dict[str, Live]
    ) -> Steps:
        """Sends an event and waits for the response. Raises `Refused` with the reason of a failure."""
        world, token = self.services.world, request.properties.get("ServiceToken")
        limit = float(request.properties.get("ServiceTimeout", LONGEST_SECONDS))
        function = self.services.account.find(_FUNCTION, token)
        if function is None:
            if not self.services.account.exists(_FUNCTION, token) or not str(token).startswith("arn:"):
                raise Refused(f"Function not found: {token}")
            self._report_not_run(request, f"the function {token}, which the app did not create")
            yield 5.0
            return {"PhysicalResourceId": live.id or f"{request.name}-existing"}
        started = world.now
        try:
            answer = yield from self._invoke(event, request, function, live)
        except Refused as refusal:
            if world.now - started > limit:
                raise Refused(NO_ANSWER) from refusal
            raise
        if fault is not None and fault.how == "lost":
            yield max(0.0, limit - (world.now - started))
            # CloudFormation did not receive the id: it deletes the resource with an id that it generates.
            if event["RequestType"] == "Create":
                live.id = events.generated_id(request.stack, request.name, self.sent)
            raise Refused(NO_ANSWER)
        if world.now - started > limit:
            raise Refused(NO_ANSWER)
        whole = {"Status": "SUCCESS", "RequestId": event["RequestId"], **answer, "StackId": event["StackId"]}
        if len(json.dumps(whole).encode()) > LARGEST_ANSWER:
            if event["RequestType"] == "Create":
                live.id = events.generated_id(request.stack, request.name, self.sent)
            raise Refused("Response object is too long.")
        return answer

    def _invoke(self, event: dict[str, Any], request: Request, function: AwsResource, live: Live) -> Steps:
        variables = (function.properties.get("Environment") or {}).get("Variables") or {}
        yield self.services.timing.seconds(deployment_wait("function"))
        if function.properties.get("Handler") != "framework.onEvent":
            return (yield from self._call(event, request, function))
        user = self._user(request, function, variables["USER_ON_EVENT_FUNCTION_ARN"])
        answer = yield from self._call(event, request, user)
        try:
            answer = {**answer, "PhysicalResourceId": events.answered_id(event, answer)}
        except RuntimeError as error:
            raise Refused(str(error)) from error
        if "USER_IS_COMPLETE_FUNCTION_ARN" not in variables:
            return answer
        live.id = str(answer["PhysicalResourceId"]) if event["RequestType"] == "Create" else live.id
        return (yield from self._poll(event, request, function, variables, answer))

    def _poll(
        self,
        event: dict[str, Any],
        request: Request,
        function: AwsResource,
        variables: Mapping[str, str],
        answer: dict[str, Any],
    ) -> Steps:
        account = self.services.account
        machine = account.find("AWS::StepFunctions::StateMachine", variables.get("WAITER_STATE_MACHINE_ARN"))
        if machine is None:
            raise Refused("State Machine Does Not Exist")
        role = str(function.properties["Role"])
        if not allowed(account, role, "states:StartExecution", machine.id):
            raise Refused(f"{role} is not authorized to perform: states:StartExecution")
        definition = json.loads(machine.properties["DefinitionString"])
        first = definition["States"][definition["StartAt"]]
        waiter, retry = account.find(_FUNCTION, first["Resource"]), first["Retry"][0]
        if waiter is None or not allowed(
            account, str(machine.properties["RoleArn"]), "lambda:InvokeFunction", waiter.attributes["Arn"]
        ):
            raise Refused("the waiter's state machine lacks permission to invoke its function")
        waits = (waiter.properties.get("Environment") or {}).get("Variables") or {}
        user = self._user(request, waiter, waits["USER_IS_COMPLETE_FUNCTION_ARN"])
        for _ in range(int(retry["MaxAttempts"]) + 1):
            found = yield from self._call({**event, **answer}, request, user)
            try:
                complete = events.is_complete(found)
            except RuntimeError as error:
                raise Refused(str(error)) from error
            if complete:
                return {**answer, "Data": {**answer.get("Data", {}), **found.get("Data", {})}}
            yield float(retry["IntervalSeconds"])
        raise Refused("Operation timed out")

    def _user(self, request: Request, framework: AwsResource, arn: str) -> AwsResource:
        """Returns the function behind CDK's framework, which must have permission to invoke it."""
        user = self.services.account.find(_FUNCTION, arn)
        if user is None:
            raise Refused(f"Function not found: {arn}")
        self._check_role(framework)
        if not allowed(self.services.account, str(framework.properties["Role"]), "lambda:InvokeFunction", arn):
            raise Refused(
                f"User: {framework.properties['Role']} is not authorized to perform: lambda:InvokeFunction "
                f"on {arn}: {request.name} was sent its event before the framework's policy was attached"
            )
        return user

    def _check_role(self, function: AwsResource) -> None:
        role = str(function.properties["Role"])
        if not trusts(self.services.account, role, "lambda.amazonaws.com"):
            raise Refused(f"The role {role} cannot be assumed by Lambda.")

    def _check_logs(self, function: AwsResource) -> None:
        """Reports a function that cannot write logs: its failures cannot be diagnosed."""
        account, role = self.services.account, str(function.properties["Role"])
        if has_managed(account, role, *_LOGGING):
            return
        name = (function.properties.get("LoggingConfig") or {}).get("LogGroup")
        group = account.find("AWS::Logs::LogGroup", name)
        if group is not None and not allowed(account, role, "logs:PutLogEvents", str(group.attributes["Arn"])):
            path = f"{function.stack}.{function.name}"
            self.services.record.find(
                "HPR02", path, f"the function {path} lacks permission (yet) to write to its log group {group.id}"
            )

    def _call(self, event: Mapping[str, Any], request: Request, function: AwsResource) -> Steps:
        """Runs the code of one function."""
        self._check_role(function)
        self._check_logs(function)
        failure_text = self._egress_problem(function)
        limit = float(function.properties.get("Timeout", 3))
        if failure_text:
            self.services.record.find("HPR02", request.path, failure_text)
            yield limit
            raise Refused(f"Task timed out after {limit:.2f} seconds: {failure_text}")
        name = str(function.properties.get("Handler", ""))
        code = next((code for end, code in self.own.items() if name.endswith(end)), None)
        if code is None:
            code = handlers.OF_CDK.get(request.kind)
        if code is None:
            self._report_not_run(request, f"the code of {function.stack}.{function.name} ({name or 'no handler'})")
            yield 5.0
            return {
                "PhysicalResourceId": event.get("PhysicalResourceId") or f"{request.name}-unknown",
                "IsComplete": True,
            }
        call = Call(self.services, function, self._role_arn(function), limit)
        try:
            answer = yield Blocking(lambda: code(event, call), limit)
        except (Refused, TimeoutError):
            raise
        except Exception as failure:  # the framework reports any exception of a handler as the reason
            raise Refused(str(failure)) from failure
        return answer or {}

    def _egress_problem(self, function: AwsResource) -> str:
        """Returns why a function in a VPC has no network access; empty if it has access, or is outside of a VPC."""
        for subnet in (function.properties.get("VpcConfig") or {}).get("SubnetIds") or ():
            routes = egress_routes(self.services.account, subnet)
            if routes is not None and "internet" not in routes and not {"eks", "sts"} & routes:
                return f"the function {function.name} in subnet {subnet} cannot reach any AWS API (yet)"
        return ""

    def _role_arn(self, function: AwsResource) -> str:
        role = str(function.properties["Role"])
        resource = self.services.account.find("AWS::IAM::Role", role)
        return role if resource is None else str(resource.attributes["Arn"])

    def _answered(self, live: Live, answer: Mapping[str, Any]) -> None:
        live.id = str(answer.get("PhysicalResourceId") or live.id)
        live.attributes = dict(answer.get("Data") or {})

    def _report_not_run(self, request: Request, what: str) -> None:
        self.services.record.find(
            "HPR05", request.path, f"{request.kind} is assumed to succeed: {what} is not run here"
        )


_LOGGING = ("AWSLambdaBasicExecutionRole", "AWSLambdaVPCAccessExecutionRole")
