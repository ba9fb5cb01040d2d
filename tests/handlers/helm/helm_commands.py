"""A replacement for helm in tests of single functions."""

from __future__ import annotations

from typing import Any


class Commands:
    """A replacement for helm: returns outputs or errors in sequence, and records the commands."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers, self.commands, self.seconds_left = list(answers), list[list[str]](), lambda: 100.0

    def run(self, arguments: Any) -> str:
        self.commands.append(list(arguments))
        answer = self.answers.pop(0) if self.answers else ""
        if isinstance(answer, Exception):
            raise answer
        return answer
