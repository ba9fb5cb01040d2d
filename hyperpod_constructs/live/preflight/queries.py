"""Requests of probes. Each request is sent once, several concurrently; failures do not stop other probes."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from botocore import xform_name

from ..operations.aws import Failure, config, error_code, failure

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 16
"""Concurrent requests in a fan-out."""

_IAM_NAMES = {"service-quotas": "servicequotas", "amp": "aps"}
_IAM_ACTIONS = {"s3:HeadBucket": "s3:ListBucket"}


class Clients:
    """One client per service, created sequentially in one thread, as boto3 requires; callers wait for their client."""

    def __init__(
        self, session: Any, services: Iterable[str], *, region: str, attempts: int, read_seconds: float
    ) -> None:
        self._futures: dict[str, Future[Any]] = {service: Future() for service in services}
        self.region = region

        def make() -> None:
            shared = config(attempts=attempts, read_seconds=read_seconds)
            for service, future in self._futures.items():
                try:
                    future.set_result(session.client(service, region_name=region, config=shared))
                except Exception as error:  # noqa: BLE001 - raised for each caller that waits for this client
                    future.set_exception(error)

        threading.Thread(target=make, name="clients", daemon=True).start()

    def __getitem__(self, service: str) -> Any:
        return self._futures[service].result()


class QueryCache:
    """Responses by request: the first caller sends the request, others wait for the response."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self._responses: dict[tuple[str, ...], Future[Any]] = {}
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(AT_ONCE)

    def once(self, key: tuple[str, ...], call: Callable[[], Any]) -> Any:
        """Returns the response to a request; an error is raised for every caller."""
        with self._lock:
            future = self._responses.get(key)
            mine = future is None
            if future is None:
                future = self._responses[key] = Future()
        if mine:
            try:
                with self._slots:
                    response = call()
                future.set_result(response)
            except Exception as error:  # noqa: BLE001 - raised again for each caller, by result()
                future.set_exception(error)
        return future.result()

    def start(self, function: Callable[[], Result]) -> Future[Result]:
        """Runs in a daemon thread, so that a hanging request does not keep the process alive."""
        future: Future[Result] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except Exception as error:  # noqa: BLE001 - raised again by result()
                future.set_exception(error)

        threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()
        return future


class QueryFailed(Exception):
    """Raised if a request fails because of AWS or the network."""

    def __init__(self, what: Failure, code: str) -> None:
        super().__init__(str(what))
        self.failure = what
        self.code = code


class AwsQueries:
    """The requests of one probe. Operations have their API names, such as `DescribeSubnets`."""

    def __init__(self, cache: QueryCache) -> None:
        self._cache = cache
        self.failures: list[Failure] = []

    @property
    def region(self) -> str:
        """Region of the requests."""
        return self._cache.clients.region

    def client(self, service: str) -> Any:
        """The client of a service, for operations other than plain requests."""
        return self._cache.clients[service]

    def one(self, service: str, operation: str, **params: Any) -> Mapping[str, Any]:
        """Returns the response to one request.

        Raises:
            QueryFailed: the request failed.
        """
        response: Mapping[str, Any] = self._call(
            service, operation, params, lambda client, name: getattr(client, name)(**params)
        )
        return response

    def find(self, service: str, operation: str, absent: Iterable[str], **params: Any) -> Mapping[str, Any] | None:
        """Returns the response to one request; None for an error code in `absent`: the resource does not exist.

        Raises:
            QueryFailed: the request failed with another error.
        """
        try:
            return self.one(service, operation, **params)
        except QueryFailed as error:
            if error.code in absent:
                return None
            raise

    def all(self, service: str, operation: str, key: str, *, absent: Iterable[str] = (), **params: Any) -> list[Any]:
        """Returns all pages of a list; an empty list for one of the error codes `absent`.

        Raises:
            QueryFailed: a request failed.
        """

        def call(client: Any, name: str) -> list[Any]:
            if not client.can_paginate(name):
                return list(getattr(client, name)(**params).get(key, ()))
            return [item for page in client.get_paginator(name).paginate(**params) for item in page.get(key, ())]

        try:
            response: list[Any] = self._call(service, operation, params, call)
        except QueryFailed as error:
            if error.code in absent:
                return []
            raise
        return response

    def each(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[tuple[Item, Result]]:
        """Applies a function to each item, several at a time; items whose requests failed are omitted."""
        started = [(item, self._cache.start(lambda item=item: function(item))) for item in items]  # type: ignore[misc]
        done = []
        for item, future in started:
            try:
                done.append((item, future.result()))
            except QueryFailed as error:
                self.failures.append(error.failure)
        return done

    def together(self, *functions: Callable[[], Any]) -> list[Any]:
        """The results of several concurrent functions; None for those whose requests failed."""
        results: dict[int, Any] = dict(self.each(lambda index: functions[index](), range(len(functions))))
        return [results.get(index) for index in range(len(functions))]

    def _call(self, service: str, operation: str, params: Mapping[str, Any], call: Callable[[Any, str], Any]) -> Any:
        key = (service, operation, repr(sorted(params.items())))
        try:
            return self._cache.once(key, lambda: call(self._cache.clients[service], xform_name(operation)))
        except Exception as error:
            action = f"{_IAM_NAMES.get(service, service)}:{operation}"
            what = failure(error, _IAM_ACTIONS.get(action, action))
            if what is None:
                raise
            raise QueryFailed(what, error_code(error)) from error
