"""The work of a rehearsal is proportional to its app, counted in calls of Python functions, which do not depend on load."""

from __future__ import annotations

import copy
import json
import sys
import threading
from typing import Any

import pytest
from rehearsal_platforms import Platforms

from hyperpod_constructs.assembly.graph import Stack, load
from hyperpod_constructs.assembly.rehearsal import Rehearsal, world
from hyperpod_constructs.assembly.rehearsal.api_server import ApiServer

pytestmark = pytest.mark.slow


class Calls:
    """How often Python functions are entered, and generators continued, in all threads that start meanwhile."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Calls:
        world._IDLE.clear()  # a running worker would not be counted
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_: Any) -> None:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
        world._IDLE.clear()

    def _profile(self, _: Any, event: str, __: Any) -> None:
        self.count += event == "call"


def with_jobs(stacks: tuple[Stack, ...], count: int) -> list[Stack]:
    """The app with this number of copies of its job."""
    found = []
    for stack in stacks:
        resources = copy.deepcopy(dict(stack.resources))
        for name, body in stack.resources.items():
            if not name.endswith("Job00417AD4"):
                continue
            (job,) = json.loads(body["Properties"]["Manifest"])
            for number in range(count):
                job["metadata"]["name"] = f"copy-{number}"
                properties = {**body["Properties"], "Manifest": json.dumps([job])}
                resources[f"Copy{number}"] = {**body, "Properties": properties}
        fields = {name: getattr(stack, name) for name in stack.__dataclass_fields__}
        found.append(Stack(**{**fields, "template": {**stack.template, "Resources": resources}}))
    return found


def calls(stacks: tuple[Stack, ...], folder: Any, count: int) -> int:
    rehearsal = Rehearsal()
    rehearsal.publish(folder)
    app = with_jobs(stacks, count)
    with Calls() as counted:
        assert [outcome for outcome in rehearsal.deploy(app) if not outcome.ok] == []
        assert [outcome for outcome in rehearsal.destroy() if not outcome.ok] == []
    assert sum(step.logical_id.startswith("Copy") for step in rehearsal.steps) == 2 * count
    return counted.count


def test_twice_as_many_jobs_take_twice_as_much(platforms: Platforms):
    folder = platforms("hyperpod.yaml")
    stacks = load(folder)
    _, few, more, many = (calls(stacks, folder, count) for count in (1, 20, 60, 140))  # the first one imports
    assert many - more <= 1.1 * 2 * (more - few)


def test_the_time_of_a_request_does_not_depend_on_the_number_of_objects():
    def requests_for(count: int) -> int:
        server = ApiServer()
        headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/apply-patch+yaml"}
        for number in range(count):
            server.store.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number}"}})
        path, body = "/api/v1/namespaces/default/secrets/s", b'{"apiVersion":"v1","kind":"Secret"}'
        with Calls() as counted:
            for query in ("?fieldManager=me&dryRun=All", "?fieldManager=me"):
                status, _, _ = server.answer("PATCH", path + query, headers, body)
                assert status == 201
            assert server.answer("DELETE", f"{path}?dryRun=All", headers, b"")[0] == 200
            assert server.answer("GET", path, headers, b"")[0] == 200
            assert server.answer("DELETE", path, headers, b"")[0] == 200
            assert server.answer("GET", path, headers, b"")[0] == 404
        return counted.count

    assert requests_for(400) <= requests_for(4) + 50
