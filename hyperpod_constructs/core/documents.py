"""Strict YAML: the core schema of YAML 1.2, with the position of every value; every problem is a finding.

`yes`, `no`, `on` and `off` are text, `012` is 12, and a repeated key is an error instead of the last value being used.
A document is parsed from events, without recursion and within limits, so that no file can crash or block the process.
"""

from __future__ import annotations

import errno
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from .findings import Finding, Severity

LARGEST_FILE = 2**20
"""Maximum size of a file in bytes."""
DEEPEST = 50
"""Maximum levels of nesting."""
MAX_VALUES = 100_000
"""Maximum number of values in a document with its aliases expanded."""

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}|0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII
)
_TAG = "tag:yaml.org,2002:"
_PLAIN_PART = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Mark(NamedTuple):
    """A position in a file; line and column start at 1."""

    line: int
    column: int


@dataclass(eq=False, repr=False)
class Document:
    """A YAML document: plain data, the position of each value, and how numbers were written."""

    file: str | None
    value: Any = None
    marks: dict[str, Mark] = field(default_factory=dict)
    """Path to the position of the value, or of its key if the value is a block."""
    keys: dict[str, Mark] = field(default_factory=dict)
    """Path to the position of its key."""
    written: dict[str, str] = field(default_factory=dict)
    """Path to the text of a number, boolean or null as written in the file (`1.30`, which is read as 1.3)."""
    findings: list[Finding] = field(default_factory=list)
    start: Mark | None = None
    """Position at which the document begins in its file."""

    def mark(self, path: str, *, key: bool = False) -> Mark | None:
        """The position of a path, or of its nearest parent that is in the file."""
        while path:
            found = (self.keys.get(path) if key else None) or self.marks.get(path)
            if found is not None:
                return found
            path = parent(path)
        return self.marks.get("")

    def located(self, finding: Finding, *, path: str | None = None, key: bool = False) -> Finding:
        """The finding with its position in this file."""
        mark = self.mark(finding.path if path is None else path, key=key)
        return finding.located(file=self.file, line=mark.line if mark else None, column=mark.column if mark else None)


def join(path: str, part: str | int) -> str:
    """The path of a member. Keys that are not plain words are quoted.

    >>> join("cluster.instance_groups", 1), join("labels", "example.com/team"), join("", "name")
    ('cluster.instance_groups[1]', 'labels["example.com/team"]', 'name')
    """
    if isinstance(part, int):
        return f"{path}[{part}]"
    if _PLAIN_PART.fullmatch(part):
        return f"{path}.{part}" if path else part
    quoted = part.replace("\\", "\\\\").replace('"', '\\"')
    return f'{path}["{quoted}"]'


def parent(path: str) -> str:
    """The parent of a path.

    >>> parent("cluster.instance_groups[1].name"), parent("cluster.instance_groups[1]"), parent('labels["a.b/c"]')
    ('cluster.instance_groups[1]', 'cluster.instance_groups', 'labels')
    """
    if path.endswith('"]'):
        return path[: path.rindex('["')]
    if path.endswith("]"):
        return path[: path.rindex("[")]
    return path.rpartition(".")[0]


def within(path: str, around: str) -> bool:
    """Whether a path is equal to another one or inside it; everything is inside the empty path.

    >>> within("eks.logs[0]", "eks.logs"), within("eks.logs_too", "eks.logs"), within("eks", "")
    (True, False, True)
    """
    return not around or path == around or (path.startswith(around) and path[len(around)] in ".[")


def read(path: Path) -> Document:
    """Reads the document in a file; problems become findings of the document, never exceptions."""
    document, text = _text(Document(file=str(path)), path)
    return document if text is None else _parsed(document, text)


def _text(document: Document, path: Path) -> tuple[Document, str | None]:
    """The text of a file; None if it cannot be read, which is reported in the document."""
    try:
        if not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):  # reading a pipe could block indefinitely
            cure = "Save it as a file first."
            return _refused(document, "HP002", "is not a regular file but a pipe or device", cure), None
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        return _refused(document, "HP002", "file not found", "Correct the path."), None
    except IsADirectoryError:
        return _refused(document, "HP002", "is a directory, not a file", "Specify a file in it."), None
    except (OSError, ValueError) as problem:  # ValueError: the path contains a NUL character
        reason = getattr(problem, "strerror", None) or str(problem)
        loop = getattr(problem, "errno", None) == errno.ELOOP
        cure = "Specify the file itself." if loop else "Make the file readable."
        return _refused(document, "HP002", f"cannot be read: {reason}", cure), None
    if len(content) > LARGEST_FILE:
        return _refused(document, "HP004", f"is larger than {LARGEST_FILE:,} bytes", "Split the file."), None
    if b"\0" in content:
        return _refused(document, "HP003", "is a binary file, not YAML text", "Use a YAML text file."), None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        message = f"is not UTF-8 text: byte 0x{content[problem.start]:02x} at offset {problem.start}"
        return _refused(document, "HP003", message, "Save it as UTF-8."), None
    return document, text


def parse(text: str, *, file: str | None = None) -> Document:
    r"""Parses the document in a text.

    >>> document = parse("name: research\nversion: 1.30\nlogs: [yes]\n")
    >>> document.value, document.written["version"], document.marks["version"]
    ({'name': 'research', 'version': 1.3, 'logs': ['yes']}, '1.30', Mark(line=2, column=10))
    """
    return _parsed(Document(file=file), text)


def read_all(path: Path) -> list[Document]:
    """Reads the documents of a file, separated by `---`; empty ones are skipped, but at least one is returned."""
    document, text = _text(Document(file=str(path)), path)
    return [document] if text is None else _documents(text, document.file)


def parse_all(text: str, *, file: str | None = None) -> list[Document]:
    r"""Parses the documents of a text, separated by `---`; empty ones are skipped, but at least one is returned.

    >>> [document.value for document in parse_all("a: 1\n---\nb: 2\n---\n")]
    [{'a': 1}, {'b': 2}]
    """
    return _documents(text, file)


def _refused(document: Document, rule: str, message: str, cure: str, mark: Mark | None = None) -> Document:
    document.value = None
    document.findings.append(_problem(document, rule, "", message, cure, mark))
    return document


def _problem(document: Document, rule: str, path: str, message: str, cure: str, mark: Mark | None) -> Finding:
    finding = Finding(rule=rule, severity=Severity.ERROR, path=path, message=message, cure=cure)
    return finding.located(file=document.file, line=mark.line if mark else None, column=mark.column if mark else None)


def _parsed(document: Document, text: str) -> Document:
    found = _documents(text, document.file)
    if len(found) > 1:
        cure = "Keep one document per file: remove everything after `---`."
        return _refused(document, "HP006", "contains more than one YAML document", cure, found[1].start)
    return found[0]


def _documents(text: str, file: str | None) -> list[Document]:
    """The documents of a text; parsing stops after one that cannot be read."""
    found: list[Document] = []
    events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    while True:
        document = _next(events, Document(file=file))
        if document is None:
            break
        found.append(document)
        if document.value is None and document.findings:
            break
    return [read for read in found if read.value is not None or read.findings] or found[:1] or [Document(file=file)]


def _next(events: Iterator[Any], document: Document) -> Document | None:
    """The next document of a stream; None at its end."""
    try:
        if not _Builder(document).build(events):
            return None
    except _Stop as stop:
        return _refused(document, stop.rule, stop.message, stop.cure, stop.mark)
    except yaml.MarkedYAMLError as problem:
        place = problem.problem_mark or problem.context_mark
        reason = ", ".join(part for part in (problem.context, problem.problem) if part)
        cure = "Check for a tab, or a missing quote, bracket, colon or space, here or in the lines above."
        return _refused(document, "HP001", f"not valid YAML: {reason}", cure, _mark(place) if place else None)
    except (yaml.YAMLError, UnicodeEncodeError) as problem:
        reason = " ".join(str(problem).split())
        return _refused(document, "HP001", f"not valid YAML: {reason}", "Remove control characters.")
    return document


class _Stop(Exception):
    """The rest of the document cannot be parsed."""

    def __init__(self, rule: str, message: str, cure: str, mark: Mark) -> None:
        self.rule, self.message, self.cure, self.mark = rule, message, cure, mark
        super().__init__(message)


@dataclass(eq=False, repr=False)
class _Open:
    """A mapping or a sequence that is being parsed."""

    value: Any
    path: str
    anchor: str | None
    before: int
    """Number of values that were read before it began."""
    key: str | None = None
    key_mark: Mark | None = None
    merges: list[Any] = field(default_factory=list)


class _Builder:
    """Builds plain data from YAML events."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.open: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.count = 0

    def build(self, events: Iterator[Any]) -> bool:
        """Reads one document; returns whether there was one."""
        for event in events:
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._begin(event, {} if kind is yaml.MappingStartEvent else [])
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._end()
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                self.document.start = _mark(event.start_mark)
            elif kind is yaml.DocumentEndEvent:
                return True
        return False

    def _scalar(self, event: Any) -> None:
        mark, top = _mark(event.start_mark), self.open[-1] if self.open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._set_key(top, event.value, mark)
            return
        path = self._path()
        value = _value(event, mark)
        if not isinstance(value, str):
            self.document.written[path] = event.value
        self._count(1, mark)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        self.document.marks[path] = mark
        self._put(value, mark)

    def _set_key(self, top: _Open, key: str, mark: Mark) -> None:
        top.key, top.key_mark = key, mark
        path = join(top.path, key)
        if key in top.value and key != "<<":
            earlier = self.document.keys[path]
            message = f"duplicate key {key!r}, first defined on line {earlier.line}"
            self.document.findings.append(_problem(self.document, "HP005", path, message, "Remove one of them.", mark))
        self.document.keys[path] = mark

    def _begin(self, event: Any, value: Any) -> None:
        mark, path = _mark(event.start_mark), self._path()
        if event.tag is not None and event.tag not in (f"{_TAG}map", f"{_TAG}seq"):
            raise _unsupported_tag(event.tag, mark)
        if self.open and isinstance(self.open[-1].value, dict) and self.open[-1].key is None:
            raise _Stop("HP006", "a key must be plain text, not a list or a mapping", "Use plain text.", mark)
        if len(self.open) >= DEEPEST:
            raise _Stop("HP004", f"is nested deeper than {DEEPEST} levels", "Reduce the nesting.", mark)
        before = self.count
        self._count(1, mark)
        in_block = not event.flow_style and self.open and self.open[-1].key_mark is not None
        self.document.marks[path] = (self.open[-1].key_mark or mark) if in_block else mark
        self.open.append(_Open(value, path, event.anchor, before))

    def _end(self) -> None:
        done = self.open.pop()
        for merged in done.merges:
            for key, value in merged.items():
                done.value.setdefault(key, value)
        if done.anchor:
            self.anchors[done.anchor] = (done.value, self.count - done.before)
        self._put(done.value, self.document.marks[done.path])

    def _alias(self, event: Any) -> None:
        mark = _mark(event.start_mark)
        if event.anchor not in self.anchors:
            message = f"the alias *{event.anchor} is used before or inside its anchor"
            raise _Stop("HP006", message, f"Define &{event.anchor} before the alias, and not around it.", mark)
        value, size = self.anchors[event.anchor]
        self._count(size, mark)
        path = self._path()
        self.document.marks[path] = mark
        self._put(value, mark)

    def _put(self, value: Any, mark: Mark) -> None:
        if not self.open:
            self.document.value = value
            return
        top = self.open[-1]
        if isinstance(top.value, list):
            top.value.append(value)
            return
        if top.key is None:
            raise _Stop("HP006", "a key must be plain text, not an alias", "Write the key in full.", mark)
        key, top.key, top.key_mark = top.key, None, None
        if key == "<<":
            merged = value if isinstance(value, list) else [value]
            if not all(isinstance(item, dict) for item in merged):
                raise _Stop("HP006", "`<<` can merge mappings only", "Refer to a mapping: `<<: *name`.", mark)
            top.merges.extend(merged)
            return
        top.value[key] = value

    def _path(self) -> str:
        if not self.open:
            return ""
        top = self.open[-1]
        return join(top.path, len(top.value) if isinstance(top.value, list) else top.key or "")

    def _count(self, values: int, mark: Mark) -> None:
        self.count += values
        if self.count > MAX_VALUES:
            message = f"contains more than {MAX_VALUES:,} values after aliases are expanded"
            raise _Stop("HP004", message, "Use fewer aliases, or split the file.", mark)


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _unsupported_tag(tag: str, mark: Mark) -> _Stop:
    shown = "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag
    return _Stop("HP006", f"the YAML tag {shown} is not supported", "Remove the tag.", mark)


def _value(event: Any, mark: Mark) -> Any:
    text: str = event.value
    if event.tag is not None and event.tag != "!":
        kind = event.tag.removeprefix(_TAG)
        if kind == "str":
            return text
        value = plain(text)
        accepted: Mapping[str, type] = {"int": int, "float": float, "bool": bool, "null": type(None)}
        if kind in accepted and type(value) is accepted[kind]:
            return value
        raise _unsupported_tag(event.tag, mark)
    return plain(text) if event.implicit[0] and event.tag is None else text


def plain(text: str) -> Any:
    """The value of a plain (unquoted) scalar in YAML 1.2's core schema.

    >>> plain("yes"), plain("true"), plain("012"), plain("1.30"), plain("0x1F"), plain("~"), plain("1:30")
    ('yes', True, 12, 1.3, 31, None, '1:30')
    """
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if not text.isascii() or text[0] not in "0123456789+-.":
        return text
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan")) if _FLOAT.fullmatch(text) else text
