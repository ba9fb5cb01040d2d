"""Loads a config file as a platform. Every problem is a finding with its line, never an exception."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

from . import checks
from .documents import Document, join, read, within
from .facts import InvalidFacts, use_facts
from .findings import Finding, Severity, errors, ordered
from .first_defaults import completed
from .jobs.files import LoadedJob, job_in, read_jobs
from .jobs.foreign import foreign
from .manifest_files import Manifests
from .manifest_files import read as _manifests
from .shape import Shape, shaped
from .spec.base import is_token
from .spec.dependencies import FolderChart
from .spec.facts import NO_FACTS, Facts
from .spec.jobs import Job
from .spec.platform import Platform


class Loaded(NamedTuple):
    """The result of loading a config file.

    Attributes:
        path: path of the file.
        platform: the platform, if the structure of the file is valid; it may still have errors.
        findings: all findings about the file, its structure and its meaning, errors first.
    """

    path: Path
    platform: Platform | None
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        """Whether the config has no errors that prevent a synth."""
        return self.platform is not None and not errors(self.findings)


@dataclass(eq=False, repr=False)
class _Jobs:
    """The jobs of a config and their findings."""

    loaded: dict[int, LoadedJob] = field(default_factory=dict)
    """Position to job, for jobs whose structure is valid."""
    findings: list[Finding] = field(default_factory=list)
    invalid: list[int] = field(default_factory=list)
    """Positions of the other jobs."""
    complete: bool = True

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs themselves."""
        return tuple(each.job for each in self.loaded.values() if each.job is not None)


def load(path: Path) -> Loaded:
    """Loads, parses and validates a config file.

    Job files are read relative to its folder; their findings have their own file and line. Stated facts are used from
    then on (`use_facts`).
    """
    if path.suffix == ".tfvars" and (terraform := foreign(None, file=str(path))):  # not valid YAML
        return Loaded(path=path, platform=None, findings=[_documented(replace(terraform, file=str(path)))])
    document = read(path)
    return loaded(document, path, comments="" if document.value is None else _comments(path))


def loaded(document: Document, path: Path, *, comments: str = "") -> Loaded:
    """Parses and validates a config that was read from `path`, or that will be written to it."""
    if document.value is None and document.findings:
        return Loaded(path=path, platform=None, findings=[_documented(f) for f in document.findings])
    other = foreign(document.value, file=document.file, comments=comments)
    if other is not None:
        return Loaded(path=path, platform=None, findings=[_documented(document.located(other, key=True))])
    if isinstance(document.value, dict) and (kind := _other_kind(document.value)):
        what, cure = kind
        message = f"is {what}, not a platform config"
        finding = Finding(rule="HP012", severity=Severity.ERROR, path="", message=message, cure=cure.format(path=path))
        return Loaded(path=path, platform=None, findings=[_documented(document.located(finding))])
    content = dict(document.value) if isinstance(document.value, dict) else document.value
    entries = content.pop("jobs", None) if isinstance(content, dict) else None
    manifests = _manifests(content.pop("manifests", None) if isinstance(content, dict) else None, path.parent, document)
    _anchor(content, path.parent)
    if isinstance(content, dict):
        completed(content)
    jobs = _jobs(entries, path.parent, document)  # before `shaped`, whose validator would replace the jobs' validator
    shape = shaped(Platform, content, document)
    _use(shape.parts.get("facts") or NO_FACTS)
    complete = shape.value is not None and jobs.complete and manifests.complete and not errors(document.findings)
    cut = set(shape.cut)
    shape.removed["jobs"] = jobs.invalid
    around = {each for path in cut for each in _around(path)}
    found = [
        manifests.placed(finding) or _placed(finding, document, jobs)
        for checked in checks.check(_context(shape, jobs, manifests, complete=complete))
        for finding in [replace(checked, path=shape.original(checked.path))]
        if finding.path not in around and cut.isdisjoint(_around(finding.path))
    ]
    shapes = [
        *document.findings,
        *shape.findings,
        *jobs.findings,
        *manifests.findings,
        *_folders(shape.value, document),
    ]
    return Loaded(
        path=path,
        platform=shape.value.model_copy(update={"jobs": jobs.jobs, "manifests": manifests.objects})
        if shape.value and complete
        else None,
        findings=ordered([*map(_documented, shapes), *_empty(document, shapes), *found]),
    )


def _use(*facts: Facts) -> None:
    """Uses stated facts; invalid ones are skipped and reported as HP034."""
    try:
        use_facts(*facts)
    except InvalidFacts:
        use_facts()


def _comments(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig") if path.is_file() else ""


def _other_kind(data: dict[str, Any]) -> tuple[str, str] | None:
    """The type of a file that is not a config, and how to use it; None for a config."""
    if {"network", "cluster", "eks", "region"} & data.keys():
        return None
    if "image" in data:
        return "a job", "Validate it with `hyperpod jobs render {path}`, or list it in the config: jobs: [{path}]."
    if {"Resources", "AWSTemplateFormatVersion"} & data.keys():
        return "a CloudFormation template", "Specify the config that it was synthesized from."
    return None


def _around(path: str) -> list[str]:
    """A path and all its parents.

    >>> _around("cluster.instance_groups[0]")
    ['', 'cluster', 'cluster.instance_groups', 'cluster.instance_groups[0]']
    """
    return ["", *(path[: match.start()] for match in re.finditer(r"[.\[]", path) if match.start()), path]


def _anchor(content: Any, folder: Path) -> None:
    """Resolves local folders in a config (chart, lifecycle scripts, facts) against the config's folder, in place."""

    def anchor(value: Any, *keys: str) -> None:
        *parents, last = keys
        for key in parents:
            value = value.get(key) if isinstance(value, dict) else None
        named = value.get(last) if isinstance(value, dict) else None
        if isinstance(value, dict) and isinstance(named, str) and "://" not in named and not is_token(named):
            value[last] = str(folder / named)

    anchor(content, "dependencies", "chart", "path")
    anchor(content, "cluster", "lifecycle", "source")
    anchor(content, "facts", "folder")
    cluster = content.get("cluster") if isinstance(content, dict) else None
    groups = cluster.get("instance_groups") if isinstance(cluster, dict) else None
    for group in groups if isinstance(groups, list) else ():
        anchor(group, "lifecycle", "source")


def _folders(platform: Platform | None, document: Document) -> Iterator[Finding]:
    """Local folders that do not exist, and lifecycle folders without their script."""
    if platform is None:
        return
    cluster = platform.cluster
    lifecycles = [("cluster.lifecycle", cluster.lifecycle)]
    lifecycles += [
        (f"cluster.instance_groups[{index}].lifecycle", group.lifecycle)
        for index, group in enumerate(cluster.instance_groups)
        if group.lifecycle is not None
    ]
    named = [
        (f"{path}.source", lifecycle.source, lifecycle.script)
        for path, lifecycle in lifecycles
        if lifecycle.mode != "bootstrap"
    ]
    chart = platform.dependencies.chart
    if isinstance(chart, FolderChart):
        named.append(("dependencies.chart.path", chart.path, "Chart.yaml"))
    for path, source, file in named:
        if source is None or "://" in source or is_token(source) or _exists(Path(source) / file):
            continue
        exists = _exists(Path(source))
        message = f"the folder {source} does not contain {file}" if exists else f"the folder {source} does not exist"
        cure = ""
        if path == "dependencies.chart.path" and not exists:
            command = f"hyperpod chart vendor --config {quote(str(document.file))} {quote(source)}"
            cure = f"Create it with `{command}`, or correct the path."
        yield document.located(Finding(rule="HP002", severity=Severity.ERROR, path=path, message=message, cure=cure))


def _exists(path: Path) -> bool:
    """Whether the file or folder exists; False for a name that the file system does not support."""
    try:
        return path.exists()
    except OSError:  # name too long, or no permission
        return False


class LoadedAll(NamedTuple):
    """The results of loading several config files. The findings include conflicts between files."""

    configs: tuple[Loaded, ...]
    findings: list[Finding]


def load_all(paths: Sequence[Path]) -> LoadedAll:
    """Loads and validates config files. Values that must be unique are compared across the files."""
    configs = tuple(load(path) for path in {_resolved(path): path for path in reversed(paths)}.values())[::-1]
    found = [finding for loaded in configs for finding in loaded.findings]
    _use(*(loaded.platform.facts for loaded in configs if loaded.platform is not None))
    return LoadedAll(configs=configs, findings=ordered([*found, *_collisions(configs)]))


def _resolved(path: Path) -> Path:
    """The file that a path resolves to; the path itself if links form a loop."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # RuntimeError before Python 3.13
        return path.absolute()


def _collisions(configs: tuple[Loaded, ...]) -> Iterator[Finding]:
    """Platforms with the same stacks, the same physical name, or the same EKS cluster."""
    seen: dict[tuple[str, str, str, str | None], tuple[Path, str]] = {}
    for loaded in configs:
        platform = loaded.platform
        if platform is None:
            continue
        for rule, kind, place, name in _identities(platform):
            identity = (kind, name, platform.region, platform.account)
            first, other = seen.setdefault(identity, (loaded.path, place))
            both_by_default = rule != "HP026" and place == other == "name"  # reported as HP026
            if first != loaded.path and not both_by_default:
                message = f"{name!r} is already the {kind} of {first} in the same region and account"
                finding = Finding(rule=rule, severity=Severity.ERROR, path=place, message=message)
                yield _documented(read(loaded.path).located(finding))


def _identities(platform: Platform) -> Iterator[tuple[str, str, str, str]]:
    """Values that must be unique in a region and account: rule, kind, config path and value.

    Clusters without a name are named after the platform.
    """
    yield "HP026", "name", "name", platform.name
    if "cluster_name" not in platform.cluster.model_fields_set:
        yield "HP027", "HyperPod cluster", "name", platform.name
    if platform.eks.existing is None and "cluster_name" not in platform.eks.model_fields_set:
        yield "HP027", "EKS cluster", "name", platform.name
    scheduler = platform.governance.scheduler.name if platform.governance is not None else None
    existing = platform.eks.existing
    for kind, place, name in (
        ("HyperPod cluster", "cluster.cluster_name", platform.cluster.cluster_name),
        ("EKS cluster", "eks.cluster_name", platform.eks.cluster_name if existing is None else None),
        ("EKS cluster", "eks.existing.cluster_name", existing.cluster_name if existing is not None else None),
        ("cluster policy", "governance.scheduler.name", scheduler),
    ):
        if name is not None and not is_token(name):
            yield "HP027", kind, place, name


def _context(shape: Shape[Platform], jobs: _Jobs, manifests: Manifests, *, complete: bool) -> checks.Context:
    known = checks.Context.parts_of(shape.parts)
    known["jobs"] = jobs.jobs
    known["manifests"] = manifests.objects if manifests.complete else None
    cut = frozenset(re.split(r"[.\[]", path, maxsplit=1)[0] for path in shape.cut)
    return checks.Context(**known, whole=complete, cut=cut)


def _documented(finding: Finding) -> Finding:
    """A finding about a file or its structure, with the impact, fix and source of its rule."""
    rule = checks.find(finding.rule)
    if rule is None:
        return finding
    return replace(
        finding,
        consequence=finding.consequence or rule.why,
        cure=finding.cure or rule.cure,
        source=finding.source or rule.source,
    )


def _empty(document: Document, others: list[Finding]) -> Iterator[Finding]:
    """Findings for keys without a value, such as a block with commented-out content or an add-on without settings."""
    reported = {finding.path for finding in others}
    for path, text in document.written.items():
        if text == "" and path in document.keys and path not in reported:
            rule = checks.find("HP015")
            assert rule is not None
            cure = "Write `{}` to enable it with its defaults." if path.startswith("addons.") else None
            problem = checks.Problem(path, "has no value; an empty key has no effect", cure)
            yield document.located(rule.finding(problem), key=True)


def _placed(finding: Finding, document: Document, jobs: _Jobs) -> Finding:
    """The finding with its location; for a job, the location in the job's own file."""
    for position, loaded in jobs.loaded.items():
        around = join("jobs", position)
        if within(finding.path, around):
            inside = finding.path[len(around) :].removeprefix(".")
            placed = loaded.locate(replace(finding, path=inside))
            return finding.located(file=placed.file, line=placed.line, column=placed.column)
    return document.located(finding)


def _jobs(entries: Any, folder: Path, document: Document) -> _Jobs:
    jobs = _Jobs()
    if entries is None:
        return jobs
    if not isinstance(entries, list):
        cure = f"Write it in brackets: [{entries}]." if isinstance(entries, str) else "Write a list of file paths."
        return _rejected(jobs, document, "HP012", "jobs", "must be a list of job files or jobs", cure)
    for index, entry in enumerate(entries):
        path = join("jobs", index)
        here = (
            _job_file(folder / entry, document, path)
            if isinstance(entry, str)
            else [job_in(entry, document, prefix=path)]
        )
        for loaded in here:
            position = len(jobs.loaded) + len(jobs.invalid)
            jobs.findings.extend(loaded.findings)
            if loaded.job is None or errors(loaded.findings):
                jobs.invalid.append(position)
                jobs.complete = False
            else:
                jobs.loaded[position] = loaded
    return jobs


def _job_file(file: Path, document: Document, path: str) -> list[LoadedJob]:
    """The jobs in a file, one per document; a file that cannot be read is reported at its path in the config."""
    jobs = read_jobs(file)
    missing = [finding for loaded in jobs for finding in loaded.findings if finding.rule == "HP002"]
    if not missing:
        return jobs
    located = [
        document.located(replace(finding, path=path, message=f"{file}: {finding.message}")) for finding in missing
    ]
    return [jobs[0]._replace(findings=located)]


def _rejected(jobs: _Jobs, document: Document, rule: str, path: str, message: str, cure: str) -> _Jobs:
    finding = Finding(rule=rule, severity=Severity.ERROR, path=path, message=message, cure=cure)
    jobs.findings.append(document.located(finding))
    jobs.complete = False
    return jobs
