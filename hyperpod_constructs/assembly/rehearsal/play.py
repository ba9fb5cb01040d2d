"""Deploys, updates and deletes the stacks of an app, in one or more accounts and regions."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from ...core.findings import Finding
from ..graph import Source, Stack, load
from . import eks, hyperpod, iam, network, storage  # each registers its models
from .account import Account
from .cloudformation import CloudFormation
from .functions import Functions, Handler
from .handlers import OWN
from .plan import Fault, Record, Step, Timing
from .real_server import PACE_SECONDS, RealKubernetes, real_servers
from .resources import PAYING, Leftover, Resources
from .stack import INTERRUPTED, Outcome
from .world import Signal, Steps, World

MODELED = (network, iam, eks, hyperpod, storage)
"""Modules that register the models of their services' kinds."""
SETTLE_SECONDS = 1800.0
"""Virtual time after a deployment in which nodes join and pods start."""


@dataclass
class Site:
    """One account and region."""

    cloudformation: CloudFormation
    resources: Resources


@dataclass
class Rehearsal:
    """A deployment simulated in virtual time.

    >>> from hyperpod_constructs.assembly.rehearsal import Rehearsal
    >>> app = {"Net": {"Resources": {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}}}}
    >>> rehearsal = Rehearsal()
    >>> [(outcome.stack, outcome.status) for outcome in rehearsal.deploy(app)]
    [('Net', 'CREATE_COMPLETE')]
    >>> [(step.logical_id, step.action) for step in rehearsal.steps]
    [('Vpc', 'create')]

    Attributes:
        timing: durations and order; default: typical durations.
        faults: faults, each occurring once.
        concurrency: stacks that are deployed in parallel if their order allows it (`cdk deploy --concurrency`).
        account: account id for stacks whose environment does not specify it.
        region: region for stacks whose environment does not specify it.
        own_functions: end of a function's handler name to the code to run for it, in addition to the library's functions.
        kubernetes: a real API server, used for the EKS cluster; default: one in memory.
    """

    timing: Timing = field(default_factory=Timing)
    faults: Sequence[Fault] = ()
    concurrency: int = 5
    account: str = "111122223333"
    region: str = "us-west-2"

    own_functions: dict[str, Handler] = field(default_factory=dict)
    kubernetes: RealKubernetes | None = None

    def __post_init__(self) -> None:
        self.world = World()
        self.record = Record()
        self.sites: dict[tuple[str, str], Site] = {}
        self.faults_left = list(self.faults)
        self.world.pace = PACE_SECONDS if self.kubernetes is not None else 0.0

    @property
    def steps(self) -> list[Step]:
        """The steps, in the order of their completion."""
        return self.record.steps

    def another(self) -> Rehearsal:
        """Returns a new rehearsal with the same settings and assets, and an API server in memory."""
        timing = replace(self.timing)
        other = Rehearsal(timing, (), self.concurrency, self.account, self.region, self.own_functions)
        other._assets, other._sources = self._assets, self._sources
        return other

    @property
    def findings(self) -> list[Finding]:
        """The findings, about rejected, lost, left behind or unmodeled resources."""
        return self.record.findings

    # Operations of a user

    def deploy(self, source: Source) -> list[Outcome]:
        """Simulates `cdk deploy --all`: stacks in their order; stacks that depend on a failed stack are not started."""
        stacks = list(load(source))
        if isinstance(source, (str, Path)) and Path(source).is_dir():
            self.publish(Path(source))
        outcomes = self._run(self._deploy(stacks))
        for outcome in outcomes:
            if not outcome.ok:
                self.record.find(outcome.rule, outcome.stack, f"{outcome.status}: {outcome.reason}")
        named = {(self.site_of(stack).resources.account.region, stack.deployed_name) for stack in stacks}
        for (_, region), site in self.sites.items():
            for name in site.cloudformation.stacks:
                if (region, name) not in named:
                    self.record.find("HP971", name, f"stack {name} is deployed, but no longer in the app")
        return outcomes

    def destroy(self) -> list[Outcome]:
        """Simulates `cdk destroy --all`: the stacks in reverse order."""
        return self._run(self._destroy())

    def stabilize(self) -> None:
        """Waits until CloudFormation has finished with every stack, after an interrupted deployment."""

        def wait() -> Steps:
            while any(
                stack.in_progress for site in self.sites.values() for stack in site.cloudformation.stacks.values()
            ):
                yield 15.0

        with _without_output():
            self.world.run(until=self.world.start(wait()))

    def close(self) -> None:
        """Deletes the objects that the rehearsal created on a real API server."""
        for site in self.sites.values():
            for server in real_servers(site.resources.clusters.values()):
                server.clear()

    def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Advances the time."""

        def wait() -> Steps:
            yield seconds

        with _without_output():
            self.world.run(until=self.world.start(wait()))

    # State

    def stacks(self) -> Iterator[str]:
        """Returns the names of the deployed stacks."""
        return (name for site in self.sites.values() for name in site.cloudformation.stacks)

    def left(self) -> list[Leftover]:
        """Returns resources that exist and belong to no stack: retained by their deletion policy, or left behind."""
        found: list[Leftover] = []
        for site in self.sites.values():
            owned = {
                id(live.resource)
                for deployed in site.cloudformation.stacks.values()
                for live in deployed.live.values()
                if live.resource is not None
            }
            kept = {(resource.kind, resource.id): resource for resource in site.resources.left}
            working = {name for name, stack in site.cloudformation.stacks.items() if stack.in_progress}
            for resource in site.resources.account.resources.values():
                if id(resource) not in owned and resource.stack not in working:
                    path = f"{resource.stack}.{resource.name}"
                    retained = kept.get((resource.kind, resource.id))
                    found.append(retained or Leftover(path, resource.kind, resource.id, "left behind"))
            if not site.cloudformation.stacks:
                found += [
                    Leftover(record["Name"], f"SageMaker {record['Kind']}", record["Id"], "left behind")
                    for record in site.resources.governed
                ]
                for server in real_servers(site.resources.clusters.values()):
                    server.look()
                for cluster in site.resources.clusters.values():
                    found += [
                        Leftover(f"{key[2]}/{key[3]}", f"Kubernetes {item['kind']}", key[3], "left behind")
                        for key, item in cluster.store.objects.items()
                        if _ours(item)
                    ]
        return found

    def paying(self) -> list[str]:
        """Returns kinds of existing resources that are billed by the hour, with their number."""
        counts: dict[str, int] = {}
        for site in self.sites.values():
            for resource in site.resources.account.resources.values():
                if resource.kind in PAYING:
                    counts[resource.kind] = counts.get(resource.kind, 0) + 1
            for cluster in site.resources.clusters.values():
                for node in cluster.nodes():
                    kind = node["metadata"]["labels"]["node.kubernetes.io/instance-type"]
                    counts[kind] = counts.get(kind, 0) + 1
        return [f"{count} {instance_type}" for instance_type, count in sorted(counts.items())]

    # Implementation

    def _run(self, steps: Steps) -> list[Outcome]:
        process = self.world.start(steps)
        with _without_output():
            self.world.run(until=process)
        if process.error is not None:
            raise process.error
        outcomes: list[Outcome] = process.value
        return outcomes

    def _deploy(self, stacks: list[Stack]) -> Steps:
        done: dict[str, Signal] = {stack.name: self.world.signal() for stack in stacks}
        outcomes: list[Outcome] = []
        state = {"running": 0, "failed": 0}
        interrupted = self.world.signal()

        def deploy_stack(stack: Stack) -> Steps:
            for other in stack.depends_on:
                if other in done:
                    yield done[other]
            while state["running"] >= self.concurrency:
                yield 1.0
            if not state["failed"]:
                state["running"] += 1
                cloudformation = self.site_of(stack).cloudformation
                cloudformation.interrupt = interrupted.set
                working = self.world.start(cloudformation.deploy(stack))
                yield self.world.first(working, interrupted)
                if working.error is not None:
                    raise working.error
                outcome = working.value if working.done else Outcome(stack.deployed_name, INTERRUPTED, _INTERRUPTED)
                state["running"] -= 1
                outcomes.append(outcome)
                state["failed"] += not outcome.ok
            done[stack.name].set()

        names = self.timing.shuffled([stack.name for stack in stacks])
        by_name = {stack.name: stack for stack in stacks}
        processes = [self.world.start(deploy_stack(by_name[name])) for name in names]
        yield from _all(processes)
        return outcomes

    def _destroy(self) -> Steps:
        outcomes: list[Outcome] = []
        everything = [
            (site, deployed) for site in self.sites.values() for deployed in site.cloudformation.stacks.values()
        ]
        done: dict[str, Signal] = {deployed.source.name: self.world.signal() for _, deployed in everything}
        followers: dict[str, set[str]] = {name: set() for name in done}
        for _, deployed in everything:
            for other in deployed.source.depends_on:
                if other in followers:
                    followers[other].add(deployed.source.name)
        state = {"failed": 0}

        def delete_stack(site: Site, name: str, deployed_name: str) -> Steps:
            for other in sorted(followers[name]):
                yield done[other]
            if not state["failed"]:
                outcome = yield from site.cloudformation.delete(deployed_name)
                outcomes.append(outcome)
                state["failed"] += not outcome.ok
                if not outcome.ok:
                    self.record.find(outcome.rule, outcome.stack, f"{outcome.status}: {outcome.reason}")
            done[name].set()

        yield from _all(
            [self.world.start(delete_stack(site, stack.source.name, stack.name)) for site, stack in everything]
        )
        return outcomes

    def site_of(self, stack: Stack) -> Site:
        """Returns the account and region that a stack is deployed to."""
        account, _, region = stack.environment.removeprefix("aws://").partition("/")
        account = account if account.isdigit() else self.account
        region = region if region and "unknown" not in region else self.region
        key = (account, region)
        if key not in self.sites:
            partition = (
                "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
            )
            resources = Resources(self.world, Account(account, region, partition), self.timing, self.record)
            resources.functions = Functions(resources, own={**self.own_functions, **OWN})
            resources.kubernetes = self.kubernetes
            site = Site(CloudFormation(self.world, resources, self.timing, self.record), resources)
            site.cloudformation.faults = self.faults_left
            self.sites[key] = site
        self.sites[key].resources.assets.update(self._assets)
        self.sites[key].resources.sources.update(self._sources)
        return self.sites[key]

    _assets: dict[str, Path] = field(default_factory=dict, init=False)
    _sources: dict[str, set[str]] = field(default_factory=dict, init=False)

    def publish(self, folder: Path) -> None:
        """Records the assets that `cdk deploy` uploads: the files of their keys, and the file names in folders."""
        for manifest in folder.rglob("*.assets.json"):
            for asset in json.loads(manifest.read_bytes()).get("files", {}).values():
                path = manifest.parent / asset["source"].get("path", "")
                for destination in asset.get("destinations", {}).values():
                    key = destination["objectKey"]
                    if path.is_file():
                        self._assets[key] = path
                    self._sources[key] = _names_in(path)


@contextmanager
def _without_output() -> Iterator[None]:
    """Suppresses the logs of the library's functions."""
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


@cache
def _names_in(path: Path) -> set[str]:
    if path.is_dir():
        return {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    if path.suffix == ".zip" and path.is_file() and path.stat().st_size < 2**20:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist())
    return set()


_INTERRUPTED = "the CDK CLI ended (injected); CloudFormation continues with the stack"


def _all(processes: Iterable[Signal]) -> Steps:
    yield from processes


def _ours(item: dict[str, object]) -> bool:
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {} if isinstance(metadata, dict) else {}
    return any(str(key).startswith("hyperpod-constructs.io/") for key in annotations)
