"""HP970 to HP973: found by `hyperpod diff` by comparing two apps, or by `hyperpod rehearse` by simulation."""

from functools import partial

from ..findings import Severity
from .registry import describe

_error = partial(describe, severity=Severity.ERROR, certain=False)

_error(
    "HP970",
    title="An export that a deployed stack imports does not change.",
    why="CloudFormation does not remove or change an export in use. The stack that exports is updated before "
    "the stack that stops importing, so the deployment fails there and is rolled back.",
    cure="Deploy the stacks that stop importing first (`npx cdk deploy --exclusively STACK`), then all stacks.",
    source="CloudFormation user guide, using-cfn-stack-exports: exports cannot be deleted or modified while in use",
)
_error(
    "HP971",
    title="Every deployed stack is part of the app.",
    why="A stack that leaves the app is not deleted: it is not updated any more, and its resources keep "
    "running and are billed.",
    cure="Keep the stack in the app, or delete it with `hyperpod stacks delete NAME`.",
    source="AWS CDK: `cdk deploy --all` deploys the stacks of the app",
)
_error(
    "HP972",
    title="A logical id keeps its resource type, and a custom resource its service token.",
    why="CloudFormation does not change either in place.",
    cure="Remove the resource in one deployment, and add the new one in the next.",
    source="CloudFormation: `Update of resource type is not permitted`, `Modifying service token is not allowed`",
)
_error(
    "HP973",
    title="Resources with data are not replaced or deleted.",
    why="A replacement is empty. The old resource is deleted, or retained and billed, according to its deletion policy.",
    cure="Restore the value, or create a second resource and copy the data.",
    source="CloudFormation resource schemas: createOnlyProperties; DeletionPolicy and UpdateReplacePolicy",
)
