"""HP9xx: problems that only the account shows. Found by the preflight; documented here.

This module has the rules about requests, quotas, capacity, versions and deployment; `live_existing` those about existing
resources. None of these rules is certain: an account can change between the preflight and the deployment.
"""

from functools import partial

from ..findings import Severity
from .registry import describe

_error = partial(describe, severity=Severity.ERROR, certain=False)
_warning = partial(describe, severity=Severity.WARNING)
_note = partial(describe, severity=Severity.NOTE)

_QUOTAS = "documentation page sagemaker-hyperpod-prerequisites; Service Quotas"
_BOTO = "AWS SDK for Python: errors of calls"

# Requests

_error(
    "HP901",
    title="AWS credentials are found.",
    why="Nothing can be checked or deployed.",
    cure="Run `aws configure` or `aws sso login`, or specify a profile with --profile.",
    source=_BOTO,
)
_error(
    "HP902",
    title="AWS credentials are valid.",
    why="Every call is rejected.",
    cure="Renew them, for example with `aws sso login`.",
    source=_BOTO,
)
_warning(
    "HP903",
    title="The caller can make the read-only calls of the pre-flight check.",
    why="Some checks could not be made.",
    cure="Allow the calls, or use another --profile.",
    source=_BOTO,
)
_warning(
    "HP904",
    title="AWS does not throttle the pre-flight check.",
    why="Some checks could not be made, although each call was tried several times.",
    cure="Try again in a minute.",
    source=_BOTO,
)
_warning(
    "HP905",
    title="AWS endpoints answer in time.",
    why="Some checks could not be made.",
    cure="Check the network, proxy (HTTPS_PROXY) and VPN; in a closed network, the VPC endpoints.",
    source=_BOTO,
)
_error(
    "HP906",
    title="The clock of this machine is correct.",
    why="AWS rejects requests whose time differs by more than five minutes.",
    cure="Synchronize the clock (NTP).",
    source=_BOTO,
)
_warning(
    "HP907",
    title="AWS answers the calls of the pre-flight check.",
    why="Some checks could not be made.",
    cure="Read the message, and try again later.",
    source=_BOTO,
)
_error(
    "HP908",
    title="The credentials are those of the config's account.",
    why="The deployment would go to another account, or be rejected.",
    cure="Use a profile of that account, or correct `account`.",
    source="sts:GetCallerIdentity",
)
_error(
    "HP909",
    title="The account and region are bootstrapped for CDK.",
    why="`cdk deploy` stops: no bucket for assets and no role to deploy with.",
    cure="Run `cdk bootstrap`.",
    source="AWS CDK guide, bootstrapping",
)

# Quotas

_error(
    "HP910",
    title="The quota of each instance type is enough.",
    why="With Continuous provisioning nodes do not start and the service retries indefinitely; otherwise "
    "CreateCluster fails.",
    cure="Request an increase.",
    source=_QUOTAS,
)
_error(
    "HP911",
    title="The spot quota of each instance type is enough.",
    why="Spot nodes do not start.",
    cure="Request an increase.",
    source=_QUOTAS,
)
_error(
    "HP912",
    title="The quota of instances per cluster is enough.",
    why="The cluster cannot reach its maximum size.",
    cure="Request an increase.",
    source=_QUOTAS,
)
_error(
    "HP913",
    title="The quota of instances of all clusters is enough.",
    why="The cluster cannot reach its maximum size.",
    cure="Request an increase.",
    source=_QUOTAS,
)
_error(
    "HP914",
    title="The quota of spot instances of all clusters is enough.",
    why="Spot nodes do not start.",
    cure="Request an increase.",
    source=_QUOTAS,
)
_error(
    "HP915",
    title="The quota of EBS volume size is sufficient.",
    why="The instance group fails.",
    cure="Request an increase, or use smaller volumes.",
    source=_QUOTAS,
)
_error(
    "HP916",
    title="The quota of FSx capacity of restricted instance groups is enough.",
    why="The restricted instance group fails.",
    cure="Request an increase.",
    source=_QUOTAS,
)
_error(
    "HP917",
    title="The quota of network interfaces is enough.",
    why="Nodes fail to start: each network card is an interface, and a p5 has 32. AWS does not raise this "
    "quota automatically.",
    cure="Request an increase.",
    source=_QUOTAS,
)
_error(
    "HP918",
    title="The quotas of VPCs, internet gateways and elastic IPs are enough.",
    why="The network stack fails and is rolled back.",
    cure="Request an increase, or use an existing network.",
    source="Amazon VPC quotas",
)
_warning(
    "HP919",
    title="Service Quotas lists the required quotas.",
    why="It is unknown whether the quota is sufficient. A type that is not available in a region has no quota there.",
    cure="Check the Service Quotas console, or use a type that is available.",
    source=_QUOTAS,
)

# Zones and capacity

_error(
    "HP920",
    title="The zones are zones of the account.",
    why="The network stack fails.",
    cure="Use zone ids of this account and region.",
    source="ec2:DescribeAvailabilityZones",
)
_error(
    "HP921",
    title="Instance types are available in the zone of their group.",
    why="No capacity becomes available.",
    cure="Use a zone where the type is available.",
    source="ec2:DescribeInstanceTypeOfferings",
)
_error(
    "HP922",
    title="Training plans exist and are active or scheduled.",
    why="The group gets no capacity.",
    cure="Specify a plan that is Active or Scheduled.",
    source="sagemaker:DescribeTrainingPlan",
)
_error(
    "HP923",
    title="Training plans have the group's type in the group's zone.",
    why="The group gets no capacity of the plan.",
    cure="Use the plan's type and zone.",
    source="sagemaker:DescribeTrainingPlan",
)
_error(
    "HP924",
    title="Training plans have enough instances.",
    why="The group does not reach its count.",
    cure="Reduce the count, or extend the plan.",
    source="sagemaker:DescribeTrainingPlan",
)

# Names and permissions

_error(
    "HP956",
    title="Physical names are not in use.",
    why="The creation fails and is rolled back.",
    cure="Remove the name, so that CloudFormation generates one, or use another.",
    source="sagemaker:DescribeCluster; eks:DescribeCluster; cloudformation:DescribeStacks",
)
_error(
    "HP957",
    title="Existing stacks of the platform can be updated.",
    why="CloudFormation does not update the stack.",
    cure="Delete or repair the stack first.",
    source="cloudformation:DescribeStacks",
)
_error(
    "HP958",
    title="The deployer has the permissions that the deployment requires.",
    why="The deployment fails and is rolled back. Policies of the organization are simulated only if the "
    "caller can read them.",
    cure="Allow the actions.",
    source="documentation page sagemaker-hyperpod-prerequisites-iam; iam:SimulatePrincipalPolicy",
)

# Versions

_error(
    "HP960",
    title="EKS offers the Kubernetes version, in standard support.",
    why="A version out of support cannot be created; one in extended support costs extra.",
    cure="Use a version in standard support: `hyperpod versions --live`.",
    source="eks:DescribeClusterVersions",
)
_note(
    "HP961",
    title="The calendar of Kubernetes versions matches EKS.",
    why="Checks of versions are based on facts that have changed.",
    cure="Run `hyperpod catalog refresh --live --write`.",
    source="eks:DescribeClusterVersions",
)
_error(
    "HP962",
    title="Each add-on has a version for the Kubernetes version.",
    why="The add-on cannot be installed.",
    cure="Use a Kubernetes version that it supports (`hyperpod addons --live`), or remove the add-on.",
    source="eks:DescribeAddonVersions",
)
_note(
    "HP963",
    title="The versions of add-ons match EKS.",
    why="The catalog installs a version that is not the latest, or checks are based on facts that have changed.",
    cure="Run `hyperpod catalog refresh --live --write`.",
    source="eks:DescribeAddonVersions",
)
_error(
    "HP964",
    title="Add-on versions of the config exist for the Kubernetes version.",
    why="CreateAddon rejects the version.",
    cure="Remove `version`, or specify a version that EKS offers.",
    source="eks:DescribeAddonVersions",
)
_warning(
    "HP966",
    title="No deep health check runs during a change of the cluster.",
    why="According to the documentation, a cluster cannot be updated while deep health checks run on its nodes.",
    cure="Wait until the checks have finished, 60 to 90 minutes after a node starts.",
    source="documentation page sagemaker-hyperpod-eks-resiliency-deep-health-checks",
)
_warning(
    "HP965",
    title="The catalog of facts is up to date.",
    why="Versions, types and quotas may have changed since.",
    cure="Run `hyperpod catalog refresh --live --write`, or upgrade hyperpod-constructs.",
    source="the dates in the catalog",
)
