"""Responses of Grafana by request, and the recorded requests."""

from __future__ import annotations

import json
from typing import Any

from hyperpod_constructs.handlers.shared.ownership import Owner

Json = dict[str, Any]
ME, OTHER = Owner("Platform/A", "a" * 16), Owner("Platform/B", "b" * 16)
EXISTED = "hyperpod-constructs:existed"


class Http:
    """Returns responses by method and path in sequence (the last one repeatedly), and records the requests."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, list[Any]] = {}
        self.sent: list[tuple[str, str, Json | None]] = []
        self.headers: Json = {}

    def on(self, request: str, *answers: Any) -> Http:
        self.answers[request] = list(answers)
        return self

    def __call__(self, method: str, url: str, headers: Any, body: bytes | None) -> tuple[int, bytes]:
        assert url.startswith("https://g/")
        path = url.removeprefix("https://g")
        self.headers = dict(headers)
        self.sent.append((method, path, None if body is None else json.loads(body)))
        answers = self.answers.get(f"{method} {path}", [(200, b"{}") if method != "GET" else (404, b"")])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, tuple):
            return answer
        return 200, json.dumps(answer).encode()
