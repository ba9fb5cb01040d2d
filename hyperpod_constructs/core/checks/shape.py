"""HP0xx: problems of a file or its structure. Found by `documents` and `config`; documented here."""

from __future__ import annotations

from ..findings import Severity
from .registry import describe

_YAML = "YAML 1.2, core schema; limits of this library"
_SPEC = "the spec models; `hyperpod schema` prints them as JSON Schema"

describe(
    "HP001",
    title="A config is valid YAML.",
    severity=Severity.ERROR,
    why="The file cannot be used.",
    cure="Fix the syntax at this position; the error is often on the line above.",
    source=_YAML,
    wrong="name: [research\n",
    right="name: research\n",
)
describe(
    "HP002",
    title="Files that are referenced exist and can be read.",
    severity=Severity.ERROR,
    why="The content of the file cannot be checked.",
    cure="Correct the path; paths in a config are relative to the config's folder.",
    source=_YAML,
    wrong="jobs: [jobs/missing.yaml]\n",
    right="jobs: []\n",
)
describe(
    "HP003",
    title="A config is UTF-8 text.",
    severity=Severity.ERROR,
    why="The file cannot be read as text.",
    cure="Save it as UTF-8, or specify another file.",
    source=_YAML,
)
describe(
    "HP004",
    title="A config is within the limits: 1 MiB, 50 levels, 100,000 values.",
    severity=Severity.ERROR,
    why="Larger files are rejected without being parsed, so that no file can block the check.",
    cure="Use fewer aliases and less nesting, or split the file.",
    source=_YAML,
)
describe(
    "HP005",
    title="Keys are unique in a mapping.",
    severity=Severity.ERROR,
    why="Most parsers silently use the last value.",
    cure="Remove one of the two.",
    source=_YAML,
    wrong="name: one\nname: two\n",
    right="name: one\n",
)
describe(
    "HP006",
    title="A config uses plain YAML: one document, no tags, text keys, and aliases of earlier values only.",
    severity=Severity.ERROR,
    why="Other features of YAML have different meanings in different parsers.",
    cure="Use plain YAML.",
    source=_YAML,
    wrong="name: !env NAME\n",
    right="name: research\n",
)
describe(
    "HP010",
    title="Keys are known.",
    severity=Severity.ERROR,
    why="A misspelled key would be ignored, and the default used instead.",
    cure="Correct or remove the key.",
    source=_SPEC,
    wrong='eks: {kuberentes_version: "1.35"}\n',
    right='eks: {kubernetes_version: "1.35"}\n',
)
describe(
    "HP011",
    title="Required keys are set.",
    severity=Severity.ERROR,
    why="There is no default for this key.",
    cure="Add the key.",
    source=_SPEC,
    wrong="cluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge}]}\n",
    right="cluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge, count: 2}]}\n",
)
describe(
    "HP012",
    title="Values have the right type.",
    severity=Severity.ERROR,
    why="The value cannot be used.",
    cure="Use a value of the expected type.",
    source=_SPEC,
    wrong="network: {flow_logs: yes}\n",
    right="network: {flow_logs: true}\n",
)
describe(
    "HP013",
    title="Values are within their limits and among the allowed values.",
    severity=Severity.ERROR,
    why="The value is not supported by AWS or by this library.",
    cure="Use an allowed value.",
    source=_SPEC,
    wrong="network: {nat: one}\n",
    right="network: {nat: single}\n",
)
describe(
    "HP014",
    title="Text that looks like a number is in quotes.",
    severity=Severity.ERROR,
    why="YAML parses 1.30 as the number 1.3 and 012 as twelve.",
    cure="Add quotes.",
    source=_YAML,
    wrong="eks: {kubernetes_version: 1.35}\n",
    right='eks: {kubernetes_version: "1.35"}\n',
)
describe(
    "HP015",
    title="Keys have a value.",
    severity=Severity.WARNING,
    why="The default is used, as without the key.",
    cure="Set a value, or remove the key.",
    source="this project",
    wrong="addons: {training_operator: }\n",
    right="addons: {training_operator: {}}\n",
)
describe(
    "HP026",
    title="Configs have different names, regions or accounts.",
    severity=Severity.ERROR,
    why="Their stacks would have the same names, and one would overwrite the other.",
    cure="Rename one of the platforms.",
    source="CloudFormation: stack names are unique in an account and region",
)
describe(
    "HP027",
    title="Configs have different clusters.",
    severity=Severity.ERROR,
    why="CreateCluster rejects a name in use, and an EKS cluster supports one HyperPod cluster.",
    cure="Remove physical names, and use a different EKS cluster for each platform.",
    source="service model of sagemaker: CreateCluster, ResourceInUse; documentation page "
    "sagemaker-hyperpod-eks-operate-cli-command-create-cluster: one EKS cluster for one HyperPod cluster",
)
describe(
    "HP035",
    title="The region and account of a platform are those of its stacks and stage.",
    severity=Severity.ERROR,
    why="Zones, images, ARNs and checks are those of the platform's region and account; the deployment goes to the stack's.",
    cure="Set the environment of the stack or stage to that of the platform, or change the platform.",
    source="CDK: the environment of a stack determines where it is deployed",
)
describe(
    "HP030",
    title="An acknowledgement refers to an existing rule.",
    severity=Severity.WARNING,
    why="The acknowledgement has no effect.",
    cure="Use an id that `hyperpod explain` lists.",
    source="this project",
    wrong="acknowledge: [{rule: HP31O, reason: agreed}]\n",
    right="acknowledge: []\n",
)
describe(
    "HP031",
    title="An error that AWS rejects is not acknowledged.",
    severity=Severity.ERROR,
    why="The deployment would fail regardless of the reason.",
    cure="Fix the error and remove the acknowledgement.",
    source="this project",
    wrong="network: {availability_zone_ids: [usw2-az1]}\nacknowledge: [{rule: HP110, reason: one is enough}]\n",
    right="network: {availability_zone_ids: [usw2-az1, usw2-az2]}\n",
)
describe(
    "HP032",
    title="An acknowledgement matches a finding.",
    severity=Severity.NOTE,
    why="It would hide a later finding of the rule.",
    cure="Remove it, or correct its path.",
    source="this project",
    wrong="acknowledge: [{rule: HP304, reason: agreed}]\n",
    right="acknowledge: []\n",
)
