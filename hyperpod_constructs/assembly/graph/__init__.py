"""The proof of the deployment order: happens-before rules, checked by reachability on synthesized templates.

`prove` takes a `cdk.out` folder, template files or dicts, and checks every rule of `ORDER_RULES` (or your own rules) on
every pair of resources that it applies to. Without a path between two resources in the graph, CloudFormation can create
them in parallel, and in the wrong order.

>>> from hyperpod_constructs.assembly.graph import prove
>>> templates = {"Platform": {"Resources": {
...     "Eks": {"Type": "AWS::EKS::Cluster"},
...     "Cni": {"Type": "AWS::EKS::Addon", "Properties": {"AddonName": "vpc-cni", "ClusterName": {"Ref": "Eks"}}},
...     "HyperPod": {"Type": "AWS::SageMaker::Cluster", "Properties": {
...         "Orchestrator": {"Eks": {"ClusterArn": {"Fn::GetAtt": ["Eks", "Arn"]}}}}}}}}
>>> proof = prove(templates)
>>> [(violation.rule.id, violation.first, violation.then) for violation in proof.violations]
[('core-addons-before-cluster', 'Platform.Cni', 'Platform.HyperPod')]
>>> proof.violations[0].fix
'HyperPod.node.add_dependency(Cni)'
"""

from hyperpod_constructs.assembly.graph._assembly import Source, Stack, load
from hyperpod_constructs.assembly.graph._cutting import without_edge
from hyperpod_constructs.assembly.graph._model import CycleError, Edge, Graph, Resource
from hyperpod_constructs.assembly.graph._proof import OrderProof, Pair, Violation, order_table, prove
from hyperpod_constructs.assembly.graph._recognize import Templates
from hyperpod_constructs.assembly.graph._rules import ORDER_RULES, OrderRule
from hyperpod_constructs.assembly.graph._selectors import Selector

__all__ = [
    "ORDER_RULES",
    "CycleError",
    "Edge",
    "Graph",
    "OrderProof",
    "OrderRule",
    "Pair",
    "Resource",
    "Selector",
    "Source",
    "Stack",
    "Templates",
    "Violation",
    "load",
    "order_table",
    "prove",
    "without_edge",
]
