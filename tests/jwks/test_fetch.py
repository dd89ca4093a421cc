"""The HTTP client against servers that mean no good. All of them are real, on loopback."""

import datetime as dt
import gzip
import ipaddress
import socket
import ssl
import zlib
from dataclasses import fields

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bearerguard import ConfigurationError, Guard
from bearerguard.jwks import fetch
from bearerguard.jwks.fetch import MAX_BYTES, Fetched, FetchError, HttpFetcher
from bearerguard.settings import Settings


def get(url, timeout_s=5.0, max_bytes=MAX_BYTES, ca_file=None, **headers):
    return HttpFetcher(ca_file).fetch(
        url, headers=headers, timeout_s=timeout_s, max_bytes=max_bytes
    )


def test_an_answer_is_given_with_its_status_fields_and_body(serve, http_answer):
    server = serve(http_answer(b'{"keys": []}', status=203, ETag='"1"'))

    answer = get(server.url("/a?b=c"), Authorization="Bearer x")

    assert (answer.status, answer.body, answer.headers["etag"]) == (203, b'{"keys": []}', '"1"')
    request = server.requests[0].lower()
    assert request.startswith("get /a?b=c http/1.1\r\n")
    assert "authorization: bearer x\r\n" in request
    assert "accept-encoding: identity\r\n" in request


@pytest.mark.requirement("8725-3.10-2")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(serve, http_answer, status):
    """RFC 8725 section 3.10: whoever may redirect could send us to any neighbour, or to http."""
    elsewhere = serve(http_answer(b"{}"))
    server = serve(http_answer(status=status, Location=elsewhere.url()))

    assert status == get(server.url()).status
    assert elsewhere.connections == 0


def test_cookies_are_not_sent_back(serve, http_answer):
    server = serve(http_answer(b"{}", Set_Cookie="session=1; Path=/"))
    fetcher = HttpFetcher()

    for _ in range(2):
        fetcher.fetch(server.url(), headers={}, timeout_s=5.0, max_bytes=100)

    assert len(server.requests) == 2
    assert "cookie" not in "".join(server.requests).lower()


def test_no_netrc_file_is_read(serve, http_answer, tmp_path, monkeypatch):
    """Credentials of the machine's user are none of the issuer's business."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    server = serve(http_answer(b"{}"))

    get(server.url())

    assert "authorization" not in server.requests[0].lower()


@pytest.mark.requirement("JWKS-4")
@pytest.mark.parametrize("honest", [True, False], ids=["announced", "without length"])
def test_a_huge_body_is_not_read_to_its_end(serve, http_answer, honest):
    """A hundred megabytes; we stop after half of one."""
    sent = []

    def handle(connection, stop):
        length = str(100 << 20) if honest else ""
        connection.sendall(http_answer(content_length=length))
        while not stop.is_set() and sum(sent) < 100 << 20:
            sent.append(connection.send(b" " * 65536))

    with pytest.raises(FetchError, match="more than 524288 bytes"):
        get(serve(handle).url())

    assert sum(sent) < 50 << 20


def test_a_body_of_just_the_allowed_size_is_read(serve, http_answer):
    server = serve(http_answer(b"x" * 1000))

    assert len(get(server.url(), max_bytes=1000).body) == 1000
    with pytest.raises(FetchError, match="more than 999 bytes"):
        get(server.url(), max_bytes=999)


@pytest.mark.requirement("JWKS-4")
def test_a_body_that_drips_without_end_is_cut_off_by_the_deadline(serve, http_answer):
    """Each byte comes well within any time for a single read."""

    def handle(connection, stop):
        connection.sendall(http_answer(content_length="1000000"))
        for _ in range(1000):  # "without end" ends after ten seconds, lest a broken client hang
            if not stop.wait(0.01):
                connection.sendall(b" ")

    with pytest.raises(FetchError, match="took too long"):
        get(serve(handle).url(), timeout_s=0.3)


def test_a_server_that_says_nothing_is_left_by_the_deadline(serve):
    with pytest.raises(FetchError, match="took too long"):
        get(serve(lambda _connection, stop: stop.wait()).url(), timeout_s=0.1)


def test_nobody_connects_for_longer_than_two_seconds(serve, http_answer, monkeypatch):
    """Of the five in all, so that name resolution and the answer have time left."""
    asked = []
    create = socket.create_connection

    def note(address, timeout, *args, **kwargs):
        asked.append(timeout)
        return create(address, timeout, *args, **kwargs)

    server = serve(http_answer(b"{}"))
    monkeypatch.setattr(socket, "create_connection", note)
    get(server.url(), timeout_s=5.0)
    get(server.url(), timeout_s=0.5)

    assert asked == [2.0, 0.5]


def test_a_closed_port_is_an_error_that_names_the_url(unused_port):
    with pytest.raises(FetchError, match=rf"http://127.0.0.1:{unused_port}/: ConnectError"):
        get(f"http://127.0.0.1:{unused_port}/")


@pytest.fixture
def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x01\x02 garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
    ids=["nothing", "garbage", "broken off", "bad chunk", "huge field", "bad length"],
)
def test_what_is_not_http_is_an_error(serve, answer):
    with pytest.raises(FetchError, match="ProtocolError"):
        get(serve(answer).url())


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_a_compressed_body_is_read_although_nobody_asked_for_it(serve, http_answer, compress):
    encoding = "gzip" if compress is gzip.compress else "deflate"
    server = serve(http_answer(compress(b'{"keys": []}'), Content_Encoding=encoding))

    assert get(server.url()).body == b'{"keys": []}'


@pytest.mark.requirement("JWKS-4")
@pytest.mark.parametrize("pieces", [1, 100])
def test_a_bomb_of_compressed_zeros_does_not_go_off(serve, http_answer, monkeypatch, pieces):
    """50 kB that become 50 MB; no more than the limit is ever inflated, however it arrives."""
    bomb = gzip.compress(b"\0" * (50 << 20))
    inflated = []
    make = zlib.decompressobj

    class Counting:
        def __init__(self, *args):
            self._inner = make(*args)
            self.eof = False

        def decompress(self, data, most):
            inflated.append(len(piece := self._inner.decompress(data, most)))
            return piece

    def handle(connection, _stop):
        connection.sendall(http_answer(content_length=str(len(bomb)), Content_Encoding="gzip"))
        step = len(bomb) // pieces + 1
        for start in range(0, len(bomb), step):
            connection.sendall(bomb[start : start + step])

    monkeypatch.setattr(fetch.zlib, "decompressobj", Counting)
    with pytest.raises(FetchError, match="more than 524288 bytes"):
        get(serve(handle).url())

    assert sum(inflated) <= 2 * (MAX_BYTES + 1)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x-unknown"])
def test_an_unknown_content_encoding_is_refused(serve, http_answer, encoding):
    with pytest.raises(FetchError, match="was not asked for"):
        get(serve(http_answer(b"{}", Content_Encoding=encoding)).url())


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"not gzip at all", "broken compression"),
        (gzip.compress(b"{}", mtime=0)[:-4], "breaks off"),
    ],
)
def test_broken_compression_is_an_error(serve, http_answer, body, complaint):
    with pytest.raises(FetchError, match=complaint):
        get(serve(http_answer(body, Content_Encoding="gzip")).url())


@pytest.mark.parametrize(
    "url", ["http://[", "http://\x00/", "ftp://127.0.0.1/", "http://" + "a" * 300 + "/", "nothing"]
)
def test_a_url_that_the_client_cannot_use_is_an_error_like_any_other(url):
    with pytest.raises(FetchError):
        get(url, timeout_s=0.5)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SSL_CERT_FILE", "/nonexistent.pem"), ("HTTPS_PROXY", "socks5://127.0.0.1:1")],
)
def test_an_environment_in_which_no_client_can_be_made_is_an_error_like_any_other(
    serve, monkeypatch, variable, value
):
    monkeypatch.setenv(variable, value)

    with pytest.raises(FetchError, match="in the HTTP client"):
        get("https://127.0.0.1:1/", timeout_s=0.5)


def test_a_field_that_no_header_can_hold_is_an_error_like_any_other(serve, http_answer):
    with pytest.raises(FetchError):
        get(serve(http_answer(b"{}")).url(), **{"If-None-Match": '"\N{SNOWMAN}"'})


@pytest.mark.requirement("OIDC-10.1.1-2")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("public", None),
        ("max-age=60", 60),
        ("public, Max-Age=3600, must-revalidate", 3600),
        ('max-age="60"', 60),
        ("max-age=0", 0),
        ("max-age=315360000", 315360000),
        ("max-age=" + "9" * 5000, 9999999999),
        ("no-cache", 0),
        ("max-age=600, no-store", 0),
        ("max-age=-1", None),
        ("max-age=soon", None),
        ("max-age", None),
        ("s-maxage=600", None),
    ],
)
def test_the_lifetime_is_read_from_cache_control(value, seconds):
    """RFC 9111 section 5.2.2; what it means for us is the cache's decision."""
    headers = {} if value is None else {"cache-control": value}

    assert seconds == Fetched(200, headers).max_age_s()


NOON = "Sun, 06 Nov 1994 12:00:00 GMT"


@pytest.mark.parametrize(
    ("wish", "date", "seconds"),
    [
        (None, None, None),
        ("", None, None),
        ("30", None, 30),
        (" 0 ", NOON, 0),
        ("9" * 5000, None, 9999999999),
        ("-1", None, None),
        ("1.5", None, None),
        ("٣", None, None),
        ("soon", NOON, None),
        ("Sun, 06 Nov 1994 12:00:45 GMT", NOON, 45),
        ("Sun, 06 Nov 1994 11:59:00 GMT", NOON, 0),
        ("Sun, 06 Nov 1994 12:00:45 GMT", None, 0),
        ("Sun, 06 Nov 1994 12:00:45 GMT", "today", 0),
        ("Sun, 99 Nov 1994 12:00:45 GMT", NOON, None),
    ],
)
def test_the_wish_to_be_left_alone_is_read_from_retry_after(wish, date, seconds):
    """RFC 9110 section 10.2.3; a date counts from the answer's own, not from our clock."""
    headers = {"retry-after": wish, "date": date}

    answer = Fetched(503, {name: value for name, value in headers.items() if value is not None})

    assert seconds == answer.retry_after_s()


class Authority:
    """A certificate authority for the length of a test run."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        self.certificate = self._sign(self.name, self.key.public_key(), [], ca=True)

    def pem(self):
        return self.certificate.public_bytes(Encoding.PEM)

    def server_context(self, folder, alternative_name):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        names = x509.SubjectAlternativeName([alternative_name])
        certificate = self._sign(subject, key.public_key(), [names], ca=False)
        file = folder / "server.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(self, subject, public_key, extensions, *, ca):
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )
        if ca:
            usage = x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            )
            builder = builder.add_extension(usage, critical=True)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def ca_file(authority, tmp_path):
    file = tmp_path / "ca.pem"
    file.write_bytes(authority.pem())
    return str(file)


@pytest.mark.requirement("8414-6.1-1")
def test_a_server_with_a_certificate_of_the_configured_authority_is_trusted(
    serve, http_answer, authority, ca_file, tmp_path
):
    """RFC 8414 section 6.1, for an issuer with a private authority: BEARERGUARD_CA_FILE."""
    server = serve(http_answer(b"{}"), tls=authority.server_context(tmp_path, LOOPBACK))

    assert get(server.url(), ca_file=ca_file).body == b"{}"


@pytest.mark.requirement("8414-6.1-1", "8414-2-2", "FAPI2-6-3")
def test_a_server_with_a_certificate_of_an_unknown_authority_is_not_talked_to(
    serve, http_answer, authority, tmp_path
):
    server = serve(http_answer(b"{}"), tls=authority.server_context(tmp_path, LOOPBACK))

    with pytest.raises(FetchError, match="CERTIFICATE_VERIFY_FAILED"):
        get(server.url())
    other = tmp_path / "other.pem"
    other.write_bytes(Authority().pem())
    with pytest.raises(FetchError, match="CERTIFICATE_VERIFY_FAILED"):
        get(server.url(), ca_file=str(other))

    assert server.requests == []


@pytest.mark.requirement("8414-6.1-1")
def test_a_certificate_for_another_host_is_not_enough(
    serve, http_answer, authority, ca_file, tmp_path
):
    context = authority.server_context(tmp_path, x509.DNSName("issuer.example"))
    server = serve(http_answer(b"{}"), tls=context)

    with pytest.raises(FetchError, match="CERTIFICATE_VERIFY_FAILED"):
        get(server.url(), ca_file=ca_file)

    assert server.requests == []


@pytest.mark.requirement("8414-6.1-1")
def test_nothing_switches_the_check_of_certificates_off():
    """No setting does, and neither does an empty or a missing file of authorities."""
    names = " ".join(spec.name for spec in fields(Settings))
    assert not {"verify", "insecure", "tls", "ssl"} & set(names.replace("_", " ").split())

    context = tls_of("https://issuer.example")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.cert_store_stats()["x509_ca"] > 0


def test_plain_http_loads_no_certificates_and_would_trust_nobody():
    """The store takes tens of milliseconds to load, which is too much for what nobody looks at."""
    context = tls_of("http://127.0.0.1:8080/jwks")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.cert_store_stats()["x509_ca"] == 0


def tls_of(url):
    with HttpFetcher()._client(url, 5.0) as client:
        return client._transport._pool._ssl_context


@pytest.mark.parametrize(
    ("url", "is_direct"),
    [
        ("http://127.0.0.1:8080/jwks", True),
        ("https://localhost/jwks", True),
        ("https://issuer.example/jwks", False),
    ],
)
def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch, url, is_direct):
    """It would see plain http: that is allowed only because it does not leave the machine."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    with HttpFetcher()._client(url, 5.0) as client:
        transport = client._transport_for_url(httpx.URL(url))

        assert (transport is client._transport) is is_direct


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_of_authorities_that_cannot_be_used_refuses_the_start(tmp_path, content):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ConfigurationError, match="ca_file"):
        Guard(issuer="https://issuer.example", audience="api", ca_file=str(file))
