"""Retention and KMS key of all log groups, as required by the account or its organization."""

from __future__ import annotations

from typing import Any, cast

import jsii
from aws_cdk import InjectionContext, IPropertyInjector, PropertyInjectors, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct, IConstruct

from ..core.spec import Logs

DEFAULT_RETENTION = logs.RetentionDays.THREE_MONTHS


def set_log_groups(scope: Construct, settings: Logs) -> None:
    """Sets retention and key of all log groups that are created in a scope after the call, by CDK's property injection.

    Example:
        Log groups whose retention is set by the account:

        >>> from aws_cdk import App, Stack
        >>> stack = Stack(App(), "Mine")
        >>> set_log_groups(stack, Logs(retention_days="unset"))
    """
    if settings != Logs():
        PropertyInjectors.of(scope).add(cast(IPropertyInjector, _LogGroupSettings(settings)))


def set_log_group(construct: IConstruct, settings: Logs) -> None:
    """Sets retention and key of an existing log group; other constructs are not changed."""
    if isinstance(construct, logs.LogGroup) and settings != Logs():
        resource = construct.node.default_child
        assert isinstance(resource, logs.CfnLogGroup)
        resource.retention_in_days = None if settings.retention_days == "unset" else settings.retention_days
        resource.kms_key_id = settings.kms_key_arn


@jsii.implements(IPropertyInjector)
class _LogGroupSettings:
    def __init__(self, settings: Logs) -> None:
        self._settings = settings

    @property
    def construct_unique_id(self) -> str:
        """The class whose properties are injected."""
        return logs.LogGroup.PROPERTY_INJECTION_ID

    @jsii.member(jsii_name="inject")
    def inject(self, original_props: Any, context: InjectionContext) -> Any:
        """Returns the properties of a log group with retention and key; names are those of jsii."""
        days, key = self._settings.retention_days, self._settings.kms_key_arn
        props = dict(original_props) | {"retention": logs.RetentionDays.INFINITE if days == "unset" else days}
        if key:
            stack, id = Stack.of(context.scope), "HyperPodLogKey"
            props["encryptionKey"] = stack.node.try_find_child(id) or kms.Key.from_key_arn(stack, id, key)
        return props
