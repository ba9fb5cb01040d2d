"""AWS for tests and benchmarks: any operation of any service, with responses that match the service model.

    with FakeAws() as aws:
        aws.on("eks", "ListClusters", {"clusters": ["research"]})
        aws.on("sagemaker", "DescribeCluster", lambda asked: clusters[asked["ClusterName"]])
        aws.fail("iam", "GetRole", "AccessDenied", status=403)
        client = aws.session().client("eks")

Answers are checked against botocore's model of the operation before they go out: an answer that AWS could not give fails
the test. Lists are cut into pages of `page_size` by botocore's own paginator definitions.

A signed request is answered in the process that sends it, in place of botocore's HTTP client. While an operation hangs, and
with `http=True`, requests go over HTTP to 127.0.0.1.
"""

from __future__ import annotations

import io
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, unquote, urlsplit

import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.loaders import Loader
from botocore.validate import validate_parameters
from moto.core.model import ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.serialize import SERIALIZERS
from werkzeug.datastructures import Headers, MultiDict

Answer = Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Fault:
    """An error response."""

    code: str
    message: str = "injected"
    status: int = 400


class AwsFault(Exception):
    """Raised by a response function to return an error."""

    def __init__(self, code: str, message: str = "injected", status: int = 400) -> None:
        super().__init__(message)
        self.fault = Fault(code, message, status)


@dataclass
class Call:
    """A request, with the times of the request and the response."""

    service: str
    operation: str
    params: dict[str, Any]
    began: float
    ended: float = 0.0


@dataclass
class FakeAws:
    """See the module. `delay` is in seconds and applies to every call."""

    delay: float = 0.0
    http: bool = False
    page_size: int | None = None
    calls: list[Call] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._clients: dict[str, Any] = {}
        self._session = cache(self._make_session)
        self.reset()
        self._http = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        # botocore tries failed calls again without a pause
        self._no_wait = mock.patch("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))

    def reset(self) -> None:
        """Forget all answers, calls and faults, for the next test."""
        self.delay, self.page_size, self.calls, self.problems = self.delay, None, [], []
        self._answers: dict[tuple[str, str], Answer | Fault] = {}
        self._times: dict[tuple[str, str], tuple[int, Fault]] = {}
        self._hanging: set[tuple[str, str]] = set()
        self._released = threading.Event()

    def __enter__(self) -> FakeAws:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self._no_wait.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._no_wait.stop()
        self._released.set()
        self.http = True  # requests to the closed server must fail
        self._http.shutdown()
        self._http.server_close()
        assert not self.problems, self.problems

    def on(self, service: str, operation: str, answer: Answer) -> None:
        """The response of an operation: data, or a function of the request."""
        self._answers[service, operation] = answer

    def fail(
        self, service: str, operation: str, code: str, message: str = "injected", *, status: int = 400, times: int = 0
    ) -> None:
        """The error of an operation, always or ``times`` times."""
        fault = Fault(code, message, status)
        if times:
            self._times[service, operation] = (times, fault)
        else:
            self._answers[service, operation] = fault

    def hang(self, service: str, operation: str) -> None:
        """Never respond to an operation (until the server is closed)."""
        self._hanging.add((service, operation))

    def received(self, service: str, operation: str) -> list[dict[str, Any]]:
        """The parameters of all calls of one operation."""
        return [call.params for call in self.calls if (call.service, call.operation) == (service, operation)]

    def session(self, region: str = "us-west-2", *, shared: bool = False) -> Any:
        """A boto3 session whose clients use this fake; `shared` clients are created once, because creation is slow."""
        return self._session(region, shared=True) if shared else self._make_session(region)

    def _make_session(self, region: str, *, shared: bool = False) -> Any:
        import boto3

        aws = self

        class Session(boto3.Session):
            def client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
                if shared and service_name in aws._clients:
                    return aws._clients[service_name]
                kwargs["endpoint_url"] = aws.url
                client = aws._clients[service_name] = super().client(service_name, *args, **kwargs)
                client.meta.events.register("before-send", aws.answer_here)
                return client

        return Session(aws_access_key_id="AKIATEST", aws_secret_access_key="secret", region_name=region)

    def answer_here(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        """The response to a signed request, without HTTP; None if the request must be sent."""
        if self.http or self._hanging:
            return None
        body = request.body or b""
        content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else body.read()
        headers = [
            (key, value.decode() if isinstance(value, bytes) else value) for key, value in request.headers.items()
        ]
        status, found, data = self.respond(request.method, request.url, Headers(headers), content)
        return AWSResponse(request.url, status, found, _Raw(b"" if request.method == "HEAD" else data))

    def respond(self, method: str, address: str, headers: Headers, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the response to a request."""
        url = urlsplit(address)
        scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", headers.get("Authorization", ""))
        signed_for = scope[1] if scope else "sts"
        service = _SIGNING_NAMES.get(signed_for, signed_for)
        form_encoded = "x-www-form-urlencoded" in headers.get("Content-Type", "")
        form = dict(parse_qsl(body.decode(), keep_blank_values=True)) if form_encoded else {}
        name, in_path = _operation(service, method, url.path, headers, form)
        model = _model(service).operation_model(name)
        protocol = _protocol(service)
        request = {
            "body": body,
            "headers": headers,
            "method": method,
            "url_params": in_path,
            "url_path": url.path,
            "values": MultiDict([*parse_qsl(url.query, keep_blank_values=True), *form.items()]),
        }
        params = PROTOCOL_PARSERS[protocol](model).parse(request)
        call = Call(service, name, params, time.monotonic())
        self.calls.append(call)
        if self.delay:
            time.sleep(self.delay)
        answer = self.answer(service, name, model, params)
        if isinstance(answer, Fault):
            status, found, text = answer.status, {"x-amzn-errortype": answer.code}, _error(protocol, answer)
        else:
            out = SERIALIZERS[protocol](model).serialize(answer)
            status, found, text = out["status_code"], dict(out["headers"]), out["body"]
        call.ended = time.monotonic()
        data = text if isinstance(text, bytes) else text.encode()
        found = {key: value for key, value in found.items() if key.lower() != "content-length"}
        return status, {**found, "Content-Length": str(len(data))}, data

    def answer(self, service: str, operation: str, model: Any, params: dict[str, Any]) -> Mapping[str, Any] | Fault:
        """The response to one call, checked against the model and divided into pages."""
        key = (service, operation)
        if key in self._hanging:
            self._released.wait()
        remaining, fault = self._times.get(key, (0, None))
        if fault and remaining:
            self._times[key] = (remaining - 1, fault)
            return fault
        response = self._answers.get(key)
        if response is None:
            self.problems.append(f"{service} {operation} was asked, and the test gives no answer")
            return Fault("InternalFailure", "the test gives no answer", 500)
        if isinstance(response, Fault):
            return response
        try:
            answer = dict(response(params) if callable(response) else response)
        except AwsFault as raised:
            return raised.fault
        answer = self._page(service, operation, answer, params)
        if model.output_shape is not None:
            try:
                validate_parameters(answer, _botocore_model(service).operation_model(operation).output_shape)
            except Exception as error:  # noqa: BLE001
                self.problems.append(f"{service} {operation}: {error}")
        return answer

    def _page(self, service: str, operation: str, answer: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        rule = _paginators(service).get(operation)
        if self.page_size is None or rule is None:
            return answer
        name = rule["result_key"] if isinstance(rule["result_key"], str) else rule["result_key"][0]
        token = rule["input_token"] if isinstance(rule["input_token"], str) else rule["input_token"][0]
        out = rule["output_token"] if isinstance(rule["output_token"], str) else rule["output_token"][0]
        items = answer.get(name, [])
        if not isinstance(items, list) or "." in name:
            return answer
        start = int(params.get(token) or 0)
        page = {**answer, name: items[start : start + self.page_size]}
        if start + self.page_size < len(items):
            page[out] = str(start + self.page_size)
            if "more_results" in rule:
                page[rule["more_results"]] = True
        return page


@contextmanager
def moto_account(monkeypatch: Any, region: str = "us-west-2") -> Iterator[None]:
    """moto instead of AWS."""
    from moto import mock_aws

    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("DEFAULT_REGION", region)):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    # moto's CloudFormation imports its API Gateway, which requires a package that only its templates use
    for name in ("", ".validation", ".validation.exceptions"):
        module = ModuleType(f"openapi_spec_validator{name}")
        module.validate, module.OpenAPIValidationError = None, Exception  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
    with mock_aws():
        yield


class _Raw(io.BytesIO):
    """The body of a response, as urllib3 gives it to botocore."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@cache
def _loader() -> Any:
    return Loader()  # separate: clients change the models that they get, and remove bucket names from the paths of S3


@cache
def _model(service: str) -> ServiceModel:
    return ServiceModel(_loader().load_service_model(service, "service-2"), service)


@cache
def _botocore_model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


@cache
def _paginators(service: str) -> dict[str, Any]:
    found: dict[str, Any] = _loader().load_service_model(service, "paginators-1")["pagination"]
    return found


_SIGNING_NAMES = {"servicequotas": "service-quotas", "aps": "amp"}


@cache
def _routes(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    routes = []
    for name in _model(service).operation_names:
        http = _model(service).operation_model(name).http
        uri = http["requestUri"].partition("?")[0]
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(uri))
        pattern = re.sub(r"\\{(\w+)\\\+\\}", r"(?P<\1>.+)", pattern)
        routes.append((http["method"], re.compile(pattern.rstrip("/") + "/?"), name))
    return routes


def _operation(service: str, method: str, path: str, headers: Any, form: dict[str, str]) -> tuple[str, dict[str, str]]:
    if "X-Amz-Target" in headers:
        return headers["X-Amz-Target"].rpartition(".")[2], {}
    if "Action" in form:
        return form["Action"], {}
    for expected_method, pattern, name in _routes(service):
        match = pattern.fullmatch(path)
        if expected_method == method and match:
            return name, {key: unquote(value) for key, value in match.groupdict().items()}
    raise LookupError(f"{service}: {method} {path}")


def _handler(aws: FakeAws) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = Headers(list(self.headers.items()))
            status, found, data = aws.respond(self.command, self.path, headers, body)
            self.send_response(status)
            for key, value in found.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = handle_any

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@cache
def _protocol(service: str) -> str:
    return str(_botocore_model(service).resolved_protocol)


def _error(protocol: str, fault: Fault) -> str:
    if protocol in ("json", "rest-json"):
        return json.dumps({"__type": fault.code, "message": fault.message, "Message": fault.message})
    error = f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>"
    if protocol == "ec2":
        return f"<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>"
    if protocol == "query":
        return f"<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"
    return error
