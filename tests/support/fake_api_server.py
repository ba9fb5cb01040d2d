"""A Kubernetes API server over HTTPS on 127.0.0.1, for tests: real requests, a clock that tests move, faults on demand.

    with FakeApiServer() as server:
        server.store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
        server.fault(method="PATCH", path="/configmaps/", status=503, times=2)
        server.url, server.ca_pem, server.token  # how to reach it

It serves discovery, server-side apply with field ownership, POST, PUT, merge patch, DELETE with finalizers and
preconditions, lists with label and field selectors in pages, and pod logs. What it leaves out is said in
``hyperpod_constructs.assembly.rehearsal.store``.
"""

from __future__ import annotations

import ipaddress
import json
import ssl
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hyperpod_constructs.assembly.rehearsal.api_server import ApiServer
from hyperpod_constructs.assembly.rehearsal.store import Clock as FakeClock


class FakeApiServer(ApiServer):
    """See the module. ``token`` is the accepted bearer token."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        super().__init__(clock)
        self.ca_pem, pem_file = _certificate()
        self._http = _Http(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem_file)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> FakeApiServer:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Clients that close the connection, or do not trust the certificate, are part of the tests."""


def _handler(server: FakeApiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer, headers = server.answer(self.command, self.path, self.headers, data)
            if status == 0:
                self.close_connection = True
                self.connection.close()
                return
            body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@cache
def _certificate() -> tuple[str, str]:
    """A CA certificate of 127.0.0.1 as plain as those of EKS (no key identifiers), and the file with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "kubernetes")])
    created = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(created - timedelta(days=1))
        .not_valid_after(created + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    path = Path(tempfile.mkdtemp(prefix="fake-api-server-")) / "server.pem"
    path.write_text(pem + secret)
    return pem, str(path)
