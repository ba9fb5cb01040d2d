"""One request to an API server that answers as slowly as it can."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from hyperpod_constructs.handlers.kubernetes.client import ApiClient
from hyperpod_constructs.handlers.kubernetes.errors import ApiError
from hyperpod_constructs.handlers.kubernetes.timing import Deadline
from hyperpod_constructs.handlers.shared.clock import Clock

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n" + b" " * 198 + b"{}"


class Slow:
    """A server that sends a byte every 0.2 s, each well within a socket's timeout; the whole answer takes a minute."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.ssl_context = None
        self.over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def headers(self) -> dict[str, str]:
        return {}

    def renew(self) -> None:
        pass

    def _serve(self) -> None:
        connection, _ = self.socket.accept()
        with connection:
            connection.recv(65536)
            for byte in ANSWER:
                if self.over.is_set():
                    return
                try:
                    connection.sendall(bytes([byte]))
                except OSError:
                    return
                time.sleep(0.2)
            self.over.set()


@pytest.fixture
def slow() -> Iterator[Slow]:
    server = Slow()
    yield server
    server.over.set()
    server.socket.close()


def test_the_deadline_applies_to_the_whole_response(slow: Slow) -> None:
    client = ApiClient(slow, Deadline.after(Clock(), 1))
    with pytest.raises(ApiError, match=r"the API server did not answer: no complete answer in 3 s"):
        client.get("/version")
    assert not slow.over.is_set(), "the answer was not waited for to its end"
