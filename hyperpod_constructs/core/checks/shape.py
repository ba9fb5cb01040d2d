"""HP0xx: what is wrong with a file or its shape. Found by `documents` and `config`; described here."""

from __future__ import annotations

from ..findings import Severity
from .registry import describe

_YAML = "YAML 1.2, core schema; the limits are ours"
_SPEC = "the spec models; `hyperpod schema` prints them as JSON Schema"

describe(
    "HP001",
    title="A config is valid YAML.",
    severity=Severity.ERROR,
    why="Nothing in the file can be used.",
    cure="Fix the syntax at the place named; the mistake is often in the line above.",
    source=_YAML,
    wrong="name: [research\n",
    right="name: research\n",
)
describe(
    "HP002",
    title="A file that is named exists and can be read.",
    severity=Severity.ERROR,
    why="Its content is unknown.",
    cure="Check the path; paths in a config are relative to the config's folder.",
    source=_YAML,
    wrong="jobs: [jobs/missing.yaml]\n",
    right="jobs: []\n",
)
describe(
    "HP003",
    title="A config is UTF-8 text.",
    severity=Severity.ERROR,
    why="The file cannot be read as text.",
    cure="Save it as UTF-8, or name the right file.",
    source=_YAML,
)
describe(
    "HP004",
    title="A config stays within limits: 1 MiB, 50 levels, 100,000 values.",
    severity=Severity.ERROR,
    why="Larger files are rejected unread, so that no file can stall the check.",
    cure="Use fewer aliases and less nesting, or split the file.",
    source=_YAML,
)
describe(
    "HP005",
    title="A key stands once in a mapping.",
    severity=Severity.ERROR,
    why="Most readers silently let the last one win.",
    cure="Keep one of the two.",
    source=_YAML,
    wrong="name: one\nname: two\n",
    right="name: one\n",
)
describe(
    "HP006",
    title="Only the plain parts of YAML are used: one document, no tags, text keys, aliases of earlier values.",
    severity=Severity.ERROR,
    why="What else YAML can do is read differently by different readers.",
    cure="Write it out plainly.",
    source=_YAML,
    wrong="name: !env NAME\n",
    right="name: research\n",
)
describe(
    "HP010",
    title="Every key is known.",
    severity=Severity.ERROR,
    why="A misspelt key would be ignored and the default used in its place.",
    cure="Correct or remove the key.",
    source=_SPEC,
    wrong='eks: {kuberentes_version: "1.35"}\n',
    right='eks: {kubernetes_version: "1.35"}\n',
)
describe(
    "HP011",
    title="Every key without a default is given.",
    severity=Severity.ERROR,
    why="There is not a value that would be right for everyone.",
    cure="Add the key.",
    source=_SPEC,
    wrong="cluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge}]}\n",
    right="cluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge, count: 2}]}\n",
)
describe(
    "HP012",
    title="Every value has the right kind.",
    severity=Severity.ERROR,
    why="The value cannot be used.",
    cure="Write a value of the kind named.",
    source=_SPEC,
    wrong="network: {flow_logs: yes}\n",
    right="network: {flow_logs: true}\n",
)
describe(
    "HP013",
    title="Every value is within its bounds, and one of those that are allowed.",
    severity=Severity.ERROR,
    why="The value cannot be used: it is not among what AWS and this project support.",
    cure="Choose a value that is allowed.",
    source=_SPEC,
    wrong="network: {nat: one}\n",
    right="network: {nat: single}\n",
)
describe(
    "HP014",
    title="Text that looks like a number is in quotes.",
    severity=Severity.ERROR,
    why="YAML reads 1.30 as the number 1.3 and 012 as twelve: what was meant is lost.",
    cure="Put quotes around it.",
    source=_YAML,
    wrong="eks: {kubernetes_version: 1.35}\n",
    right='eks: {kubernetes_version: "1.35"}\n',
)
describe(
    "HP015",
    title="A key that is written has a value.",
    severity=Severity.WARNING,
    why="It reads as if it were set, but it is as good as not there.",
    cure="Give it a value, or remove the key.",
    source="this project",
    wrong="addons: {training_operator: }\n",
    right="addons: {training_operator: {}}\n",
)
describe(
    "HP026",
    title="Configs of one fleet have different names, or different regions or accounts.",
    severity=Severity.ERROR,
    why="Their stacks would have the same names, and one would overwrite the other.",
    cure="Rename one of the platforms.",
    source="CloudFormation: stack names are unique in an account and region",
)
describe(
    "HP027",
    title="Configs of one fleet have clusters of their own.",
    severity=Severity.ERROR,
    why="CreateCluster rejects a name that is taken; an EKS cluster has one HyperPod cluster.",
    cure="Leave physical names out, and give each platform an EKS cluster of its own.",
    source="service model of sagemaker: CreateCluster, ResourceInUse; documentation page "
    "sagemaker-hyperpod-eks-operate-cli-command-create-cluster: one EKS cluster for one HyperPod cluster",
)
describe(
    "HP030",
    title="An acknowledgement names a rule.",
    severity=Severity.WARNING,
    why="Nothing is acknowledged.",
    cure="`hyperpod explain` lists the rules.",
    source="this project",
    wrong="acknowledge: [{rule: HP31O, reason: agreed}]\n",
    right="acknowledge: []\n",
)
describe(
    "HP031",
    title="An error that AWS is certain to reject is not acknowledged.",
    severity=Severity.ERROR,
    why="The deployment would fail whatever the reason is.",
    cure="Fix the error, and remove the acknowledgement.",
    source="this project",
    wrong="network: {availability_zone_ids: [usw2-az1]}\nacknowledge: [{rule: HP110, reason: one is enough}]\n",
    right="network: {availability_zone_ids: [usw2-az1, usw2-az2]}\n",
)
describe(
    "HP032",
    title="An acknowledgement matches a finding.",
    severity=Severity.NOTE,
    why="It is left over, and would hide a new finding of that rule.",
    cure="Remove it, or correct its path.",
    source="this project",
    wrong="acknowledge: [{rule: HP304, reason: agreed}]\n",
    right="acknowledge: []\n",
)
