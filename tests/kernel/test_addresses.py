"""The Jupyter server on the status card: found also where its certificate is one that nobody else has signed."""

from __future__ import annotations

import datetime
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Refusing(BaseHTTPRequestHandler):
    """As our routes are to who has no key."""

    def do_GET(self):
        self.send_response(401)
        self.end_headers()

    def log_message(self, *_):
        """Nothing on the screen."""


@pytest.fixture
def certificate(tmp_path):
    """A certificate that its own key has signed, for another host at that, with the key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    signed = built.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "both.pem"
    path.write_bytes(signed.public_bytes(pem) + private)
    return path


def test_a_server_with_a_certificate_of_its_own_is_on_the_card(cell, capsys, tmp_path, monkeypatch, certificate):
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"https://127.0.0.1:{server.server_port}/"
    told = {"url": url, "port": server.server_port, "base_url": "/", "token": "t"}
    (tmp_path / "jpserver-7.json").write_text(json.dumps(told))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JPY_PARENT_PID", "7")
    cell("%%runpod_handler\ndef echo(job):\n    return job['input']")
    cell("%runpod")
    server.shutdown()
    server.server_close()
    assert f"endpoint {url}runpod/v2/echo  (the Jupyter server's token is its key)" in capsys.readouterr().out
