"""Every published vector, through the code that guards production.

A vector that we cannot use yet is named in ``known_divergences.json`` with the reason. One that is
named there and passes fails here too, so that the list cannot outlive its reasons.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from bearerguard import Guard, RejectedError
from bearerguard.core.claims import check_algorithm, check_binding, check_type
from bearerguard.core.encoding import base64url_decode, base64url_encode, decode_checked
from bearerguard.core.flow import authenticate
from bearerguard.core.jwk import PRIVATE_MEMBERS, parse_key, secret_key, thumbprint
from bearerguard.core.key_set import Key, KeyRefusedError
from bearerguard.core.signature import verify
from bearerguard.core.status_list import read_statuses
from bearerguard.core.token import UnverifiedToken, read_header, split
from bearerguard.core.trust import Trust

HERE = Path(__file__).parent
DIVERGENCES: dict[str, str] = json.loads((HERE / "known_divergences.json").read_text("utf-8"))
FILES = {
    path.name: json.loads(path.read_text("utf-8"))
    for path in sorted(HERE.glob("*.json"))
    if path.name != "known_divergences.json"
}
Check = Callable[[], bool]
Vector = tuple[str, Check, tuple[str, ...]]


def key_of(jwk: dict[str, Any]) -> Key:
    """Read the public part of a vector's key, or its secret."""
    if jwk["kty"] == "oct":
        return secret_key(base64url_decode(jwk["k"].encode()))
    return parse_key({name: jwk[name] for name in jwk if name not in PRIVATE_MEMBERS})


def is_signed_by(compact: str, key: Key) -> bool:
    """Split, read the header and verify, as the flow does; what is signed need not be claims."""
    parts = split(compact)
    token = UnverifiedToken(read_header(parts), parts, b"", {})
    try:
        return verify(token, [key]).key is key
    except RejectedError as refusal:
        if refusal.reason != "signature_invalid":
            raise
        return False


def read(raw: str, policy: Any) -> None:
    """Read a token as far as that goes without asking anybody anything."""
    next(authenticate(raw, Trust.of([policy]), 0.0), None)


def verifies(compact: str, jwk: dict[str, Any]) -> bool:
    """The vector's signature is good, and no other one is: a bit of each part is turned."""
    key = key_of(jwk)
    header, payload, signature = compact.split(".")
    turned = [
        ".".join((header, one_bit_turned(payload), signature)),
        ".".join((header, payload, one_bit_turned(signature))),
    ]
    return is_signed_by(compact, key) and not any(is_signed_by(raw, key) for raw in turned)


def one_bit_turned(part: str) -> str:
    octets = base64url_decode(part.encode())
    return base64url_encode(bytes([octets[0] ^ 1]) + octets[1:]).decode()


def payload_is(compact: str, text: str) -> bool:
    return text.encode() == decode_checked(split(compact).payload)


def is_refused(reason: str, check: Callable[..., object], *arguments: object) -> bool:
    try:
        check(*arguments)
    except RejectedError as refusal:
        return reason == refusal.reason
    return False


def is_no_key(jwk: dict[str, Any]) -> bool:
    try:
        parse_key(jwk)
    except KeyRefusedError:
        return True
    return False


def has_thumbprint(jwk: dict[str, Any], value: str) -> bool:
    return value == thumbprint(jwk) == key_of(jwk).thumbprint


def has_module(name: str) -> bool:
    """The feature that a vector is about exists: then write its real check in place of this one."""
    return find_spec(name) is not None


def header_of(compact: str) -> Any:
    return read_header(split(compact))


def rfc7515(file: Any, policy: Any) -> Iterator[Vector]:
    for case in file["cases"]:
        name = f"{case['section']} {case['alg']}"
        if case["valid"]:
            yield name, partial(verifies, case["compact"], case["jwk"]), ("7515-A-1",)
        else:
            header = header_of(case["compact"])
            refused = partial(is_refused, "algorithm_not_allowed", check_algorithm, header, policy)
            yield name, refused, ("7515-A-1", "7519-6-1")


def rfc7517_7638(file: Any, policy: Any) -> Iterator[Vector]:
    encryption, signature = file["public"]
    (expected,) = file["thumbprints_sha256"]
    yield "the key for encryption", partial(is_no_key, encryption), ("7517-4.2-1",)
    usable = parse_key(signature)
    yield "the key for signatures", lambda: usable.algorithms == {"RS256"}, ("7517-4.4-1",)
    rows = ("7638-3-1", "7638-3.2-1")
    yield "thumbprint", partial(has_thumbprint, signature, expected["value"]), rows
    for jwk in file["private"]:
        yield f"the private key {jwk['kid']}", partial(is_no_key, jwk), ("7517-9-1",)


def rfc7520(file: Any, policy: Any) -> Iterator[Vector]:
    for case in file["cases"]:
        name = f"{case['section']} {case['alg']}"
        yield name, partial(verifies, case["compact"], case["jwk"]), ("7515-A-1",)
        yield f"{name} payload", partial(payload_is, case["compact"], case["payload"]), ()


def rfc8037(file: Any, policy: Any) -> Iterator[Vector]:
    jwk = file["public_jwk"]
    yield "signature", partial(verifies, file["compact"], jwk), ("7515-A-1", "8037-3.1-1")
    yield "payload", partial(payload_is, file["compact"], file["payload"]), ()
    value = file["thumbprint_sha256"]
    yield "thumbprint", partial(has_thumbprint, jwk, value), ("7638-3-1", "7638-3.2-1")
    yield "the private key", partial(is_no_key, file["private_jwk"]), ("7517-9-1",)


def rfc8705(file: Any, policy: Any) -> Iterator[Vector]:
    def is_the_key_of_the_certificate() -> bool:
        certificate = x509.load_pem_x509_certificate(file["certificate_pem"].encode())
        key = parse_key(file["jwk"])
        return key.algorithms == {"ES256"} and key.public_key == certificate.public_key()

    def hashes_to_the_thumbprint() -> bool:
        der = base64.b64decode(file["jwk"]["x5c"][0])
        return file["x5t#S256"].encode() == base64url_encode(hashlib.sha256(der).digest())

    yield "jwk with x5c", is_the_key_of_the_certificate, ("7517-4.7-1",)
    yield "base64url of the hash", hashes_to_the_thumbprint, ()
    cnf = {"cnf": {"x5t#S256": file["x5t#S256"]}}
    bound = partial(is_refused, "token_bound", check_binding, cnf, policy, 0.0)
    yield "a token bound to it", bound, ("7800-3.1-2",)
    yield "x5t#S256 of the certificate", partial(has_module, "bearerguard.core.certificate"), ()


def rfc9449(file: Any, policy: Any) -> Iterator[Vector]:
    for index, proof in enumerate(file["proofs"]):
        compact, jwk = proof["compact"], proof["header"]["jwk"]
        yield f"proof {index} signature", partial(verifies, compact, jwk), ()
        yield (
            f"proof {index} jkt",
            partial(has_thumbprint, jwk, file["jkt"]),
            (
                "7638-3-1",
                "7638-3.2-1",
            ),
        )
        refused = partial(is_refused, "type_mismatch", check_type, header_of(compact), policy)
        yield f"proof {index} as an access token", refused, ("8725-3.11-1",)
        yield f"proof {index} as a proof", partial(has_module, "bearerguard.core.dpop"), ()

    def hashes_to_ath() -> bool:
        digest = hashlib.sha256(file["access_token"].encode("ascii")).digest()
        return file["ath"].encode() == base64url_encode(digest)

    yield "ath", hashes_to_ath, ()
    claims = file["bound_access_token_payload"]
    bound = partial(is_refused, "token_bound", check_binding, claims, policy, 0.0)
    yield "the bound access token", bound, ("7800-3.1-2",)
    # The access token of section 4 is opaque; its "~" is no character of a JWT.
    opaque = partial(is_refused, "token_malformed", read, file["access_token"], policy)
    yield "the opaque access token", opaque, ("8725bis-3.14-1",)


def rfc9964_mldsa(file: Any, policy: Any) -> Iterator[Vector]:
    for case in file["cases"]:
        alg, jwk = case["alg"], case["jwk"]
        yield alg, partial(verifies, case["compact"], jwk), ("9964-4-1",)
        value = case["thumbprint_sha256"]
        rows = ("9964-6-1", "7638-3.2-1")
        yield f"{alg} thumbprint", partial(has_thumbprint, jwk, value), rows
        without_alg = {name: member for name, member in jwk.items() if name != "alg"}
        yield f"{alg} without alg", partial(is_no_key, without_alg), ("9964-3-1",)


def token_status_list(file: Any, policy: Any) -> Iterator[Vector]:
    for index, case in enumerate(file["cases"]):
        name = f"case {index} ({case['bits']} bit)"
        yield name, partial(unpacks, case), ("TSL-4.1-1",)


def unpacks(case: dict[str, Any]) -> bool:
    """Every status that is said not to be zero is found where it is said, and no other one is."""
    statuses = read_statuses({name: case[name] for name in ("bits", "lst")})
    if "bytes_hex" in case:
        return statuses.octets.hex() == case["bytes_hex"]
    expected = {int(index): status for index, status in case["non_zero"].items()}
    # An octet that is not zero holds a status that is not.
    per_octet = 8 // case["bits"]
    others = {index for index, octet in enumerate(statuses.octets) if octet}
    found = {index: statuses.at(index) for index in expected}
    return found == expected and others == {index // per_octet for index in expected}


READERS = {
    "rfc7515.json": rfc7515,
    "rfc7517_7638.json": rfc7517_7638,
    "rfc7520.json": rfc7520,
    "rfc8037.json": rfc8037,
    "rfc8705.json": rfc8705,
    "rfc9449.json": rfc9449,
    "rfc9964_mldsa.json": rfc9964_mldsa,
    "token_status_list.json": token_status_list,
}


def every_vector() -> Iterator[Any]:
    policy = Guard(issuer="https://as.example", audience="https://rs.example").trust.only
    for file_name, reader in READERS.items():
        for name, check, rows in reader(FILES[file_name], policy):
            marks = [pytest.mark.requirement(*rows)] if rows else []
            vector = f"{file_name}: {name}"
            yield pytest.param(vector, check, id=vector, marks=marks)


VECTORS = list(every_vector())


@pytest.mark.parametrize(("vector", "check"), VECTORS)
def test_a_published_vector_gets_the_right_verdict(vector, check):
    """A known divergence must diverge: an unexpected pass fails too."""
    diverges = vector in DIVERGENCES
    assert check() is not diverges, DIVERGENCES.get(vector, "a wrong verdict")


def test_every_file_of_vectors_is_read():
    assert READERS.keys() == FILES.keys()


def test_every_known_divergence_is_a_vector():
    assert DIVERGENCES.keys() <= {vector.id for vector in VECTORS}


@pytest.mark.requirement("7638-3.2-1", "7638-3-1")
def test_the_thumbprint_of_a_symmetric_key_is_of_k_and_kty():
    """RFC 7638 section 3.2 gives no vector for it; the canonical text is written out here."""
    canonical = b'{"k":"c2VjcmV0","kty":"oct"}'
    expected = base64url_encode(hashlib.sha256(canonical).digest()).decode()
    assert expected == thumbprint({"kid": "x", "kty": "oct", "k": "c2VjcmV0", "alg": "HS256"})
