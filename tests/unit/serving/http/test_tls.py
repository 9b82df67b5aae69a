"""HTTPS: the certificate is followed as it is renewed, and a handshake has a deadline."""

import datetime
import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from live_server import BODY, PREDICT, Live, started
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

from core.errors import UsageError
from serving.http.policy import Policy, TlsFiles
from serving.http.server import Options
from serving.limits import Limits
from serving.versions.manager import Watch
from tests.free_port import free_port


def make_certificate(files: TlsFiles, serial: int) -> None:
    """Write a certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    folder = tmp_path_factory.mktemp("tls")
    found = TlsFiles(folder / "cert.pem", folder / "key.pem")
    make_certificate(found, serial=1001)
    return found


@pytest.fixture(scope="module")
def live(files: TlsFiles, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    options = Options(Limits(header_seconds=1.0), Watch(seconds=3600), Policy(tls=files))
    with started(options, exported, tmp_path_factory.mktemp("live")) as running:
        yield running


def trusting(files: TlsFiles) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(files.certificate))


def serial_at(port: int) -> int:
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode()).serial_number


def test_a_client_that_trusts_the_certificate_is_answered(live: Live, files: TlsFiles) -> None:
    connection = http.client.HTTPSConnection("127.0.0.1", live.port, timeout=5, context=trusting(files))
    for _ in range(2):
        connection.request("POST", PREDICT, BODY)
        response = connection.getresponse()
        assert response.status == 200
        assert b"predictions" in response.read()
    assert isinstance(connection.sock, ssl.SSLSocket)
    assert connection.sock.version() in {"TLSv1.2", "TLSv1.3"}
    connection.close()


def test_grpc_has_the_certificate_of_http_and_follows_it(files: TlsFiles, exported: Path, tmp_path: Path) -> None:
    own = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem")
    make_certificate(own, serial=1)
    port = free_port()
    options = Options(watch=Watch(seconds=3600), policy=Policy(tls=own), grpc_address=f"127.0.0.1:{port}")
    with started(options, exported, tmp_path / "live"):
        assert versions_by_grpc(port, own) == [1]
        with pytest.raises(grpc.RpcError) as caught:
            versions_by_grpc(port, files, seconds=1)
        assert caught.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}, "not trusted"
        make_certificate(own, serial=2)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with suppress(grpc.RpcError):
                assert versions_by_grpc(port, own, seconds=5) == [1]
                return
        pytest.fail("the renewed certificate was not served")


def versions_by_grpc(port: int, trusted: TlsFiles, seconds: float = 60) -> list[int]:
    """Return the versions that a real client sees which trusts a certificate."""
    credentials = grpc.ssl_channel_credentials(trusted.certificate.read_bytes())
    # A channel with options of its own shares no connection with the ones before.
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        asked = get_model_status_pb2.GetModelStatusRequest()
        asked.model_spec.name = "delay"
        known = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(asked, timeout=seconds)
    return [status.version for status in known.model_version_status]


def test_older_versions_and_plain_http_are_not_spoken(live: Live, files: TlsFiles) -> None:
    assert files.context().minimum_version == ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in _rest(plain)


def test_a_handshake_that_is_not_finished_is_hung_up_on(live: Live) -> None:
    with socket.create_connection(("127.0.0.1", live.port), timeout=20) as silent:
        assert _rest(silent) == b""


def test_a_renewed_certificate_is_served_and_a_broken_one_is_not(
    live: Live, files: TlsFiles, caplog: pytest.LogCaptureFixture
) -> None:
    assert serial_at(live.port) == 1001
    files.certificate.write_text("half")
    deadline = time.monotonic() + 120
    while "the certificate before it stays" not in caplog.text:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert serial_at(live.port) == 1001
    make_certificate(files, serial=1002)
    deadline = time.monotonic() + 120
    while serial_at(live.port) != 1002:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("broken", ["certificate", "key"])
def test_files_that_are_no_pair_are_refused(tmp_path: Path, broken: str) -> None:
    files = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem")
    with pytest.raises(UsageError, match=r"cert\.pem: wanted a PEM file for --tls-cert"):
        files.context()
    make_certificate(files, serial=1)
    kept = getattr(files, broken).read_bytes()
    make_certificate(files, serial=2)
    getattr(files, broken).write_bytes(kept)
    with pytest.raises(UsageError, match="wanted a certificate and its unencrypted key"):
        files.context()


def _rest(connection: socket.socket) -> bytes:
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionError:
        pass
    return received
