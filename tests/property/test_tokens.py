"""Whatever arrives: a token, or RejectedError. And explain says the same, without raising."""

import functools
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import bearerguard
from bearerguard import AccessToken, Guard, RejectedError
from bearerguard.core.access import Access
from bearerguard.core.encoding import EncodingError, base64url_encode, read_json
from bearerguard.core.jwk import parse_key, parse_key_set
from bearerguard.core.key_set import KeyRefusedError, KeySetError
from bearerguard.errors import REASONS
from bearerguard.testing import Issuer, SigningKey

pytestmark = pytest.mark.untraced

NOW = 1_800_000_000
# A loaded machine is no reason to fail; the examples are always the same ones.
FAST = settings(max_examples=100, deadline=None, derandomize=True, database=None)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text()
    | st.sampled_from([NOW, NOW + 300, "https://issuer.example", "https://api.example", "RS256"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
HEADER_NAMES = ["alg", "typ", "kid", "cty", "crit", "b64", "jwk", "jku", "x5c", "zip", "enc"]
CLAIM_NAMES = [
    "iss",
    "aud",
    "exp",
    "nbf",
    "iat",
    "sub",
    "client_id",
    "jti",
    "scope",
    "scp",
    "roles",
    "groups",
    "entitlements",
    "acr",
    "amr",
    "auth_time",
    "cnf",
    "nonce",
    "events",
    "typ",
    "token_use",
    "act",
    "authorization_details",
    "realm_access",
]


def objects(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of which most members have a name that means something."""
    return st.dictionaries(st.sampled_from(names) | st.text(), JSON, max_size=4)


@functools.cache
def issuer() -> Issuer:
    return Issuer(key=SigningKey.generate("ES256", kid="key-1"), clock=lambda: NOW)


@functools.cache
def guards() -> tuple[Guard, ...]:
    """Strict and lenient ones, for one issuer and for several, all with their keys at hand."""
    own = issuer()
    made = (
        own.guard(),
        own.guard(
            profile="jwt", scope_claims="scope,/realm_access/roles", role_claims="roles,groups/*"
        ),
        own.guard(issuer=[own.url, "https://api.example"]),
        Guard(
            audience=own.audience,
            resolve_issuer=lambda name: bearerguard.Issuer(name, profile="jwt"),
            issuers_allowed=[own.url, "https://{tenant}.login.example"],
            fetcher=own,
            clock=own.clock,
        ),
    )
    for guard in made:
        guard.verify(issuer().token())
    return made


def verdict(guard: Guard, raw: Any) -> str | None:
    """Verify, and check that explain agrees; give the reason of the refusal, if any."""
    report = guard.explain(raw)
    refusal = None
    try:
        token = guard.verify(raw)
    except RejectedError as error:  # and nothing else
        refusal = error
    assert report.accepted is (refusal is None)
    if refusal is None:
        assert isinstance(token, AccessToken)
        assert isinstance(hash(token), int)
        assert json.dumps([token.claims, token.authorization_details]) not in repr(token)
        return None
    assert refusal.reason in REASONS
    assert report.first_failure is not None
    assert report.first_failure.reason == refusal.reason
    assert guard.answer(refusal, Access()).status == refusal.status == 401
    return refusal.reason


def every_verdict(raw: Any) -> set[str | None]:
    return {verdict(guard, raw) for guard in guards()}


def compact(*parts: bytes) -> str:
    return b".".join(base64url_encode(part) for part in parts).decode()


def signed(header: bytes, payload: bytes) -> str:
    """Sign any octets, correctly, whatever the header says of the algorithm."""
    signing_input = compact(header, payload)
    return signing_input + "." + compact(issuer().key.sign(signing_input.encode()))


GOOD_HEADER = {"typ": "at+jwt", "alg": "ES256", "kid": "key-1"}


def test_the_good_token_is_accepted_so_that_the_rest_means_something():
    raw = signed(json.dumps(GOOD_HEADER).encode(), json.dumps(issuer().claims()).encode())
    assert {None} == every_verdict(raw)


@FAST
@given(st.text() | st.text("abcdefghijklmnopqrstuvwxyzABCDEFG0123456789-_.=") | st.binary())
@example("")
@example("..")
@example("....")
@example("é.é.é")
@example("\ud800.a.b")
def test_any_text_is_refused_as_a_token(raw):
    assert None not in every_verdict(raw)


@FAST
@given(JSON)
def test_anything_that_is_no_text_is_refused_as_a_token(raw):
    if not isinstance(raw, str):
        assert {"token_malformed"} == every_verdict(raw)


@FAST
@given(st.binary(), st.binary(), st.binary())
def test_any_octets_are_refused_as_parts(header, payload, signature):
    assert None not in every_verdict(compact(header, payload, signature))


@FAST
@given(st.integers(0, 2), st.binary(max_size=200))
def test_any_octets_in_place_of_one_part_are_refused(place, octets):
    parts = issuer().token().split(".")
    parts[place] = compact(octets)
    assert None not in every_verdict(".".join(parts))


@FAST
@given(st.integers(0, 2), st.text(max_size=50))
def test_any_text_in_place_of_one_part_is_refused(place, text):
    parts = issuer().token().split(".")
    parts[place] = text
    assert None not in every_verdict(".".join(parts))


@FAST
@given(st.integers(0, 2), st.integers(0), st.integers(0, 7))
def test_any_bit_changed_in_a_text_is_refused(place, character, bit):
    parts = [bytearray(part.encode()) for part in issuer().token().split(".")]
    parts[place][character % len(parts[place])] ^= 1 << bit
    assert None not in every_verdict(b".".join(parts).decode("latin-1"))


@FAST
@given(objects(HEADER_NAMES))
@example({"alg": ["ES256"]})
@example({"crit": []})
def test_any_header_correctly_signed_is_judged(members):
    """A refusal or a token, with the good header's members or without them."""
    payload = json.dumps(issuer().claims()).encode()
    every_verdict(signed(json.dumps(members).encode(), payload))
    every_verdict(signed(json.dumps(GOOD_HEADER | members).encode(), payload))


@FAST
@given(JSON)
def test_any_json_as_header_and_claims_is_judged(value):
    document = json.dumps(value).encode()
    good_header = json.dumps(GOOD_HEADER).encode()
    assert None not in every_verdict(signed(document, document))
    assert None not in every_verdict(signed(good_header, document))


@settings(FAST, max_examples=250)
@given(objects(CLAIM_NAMES), st.sampled_from([{}, {"typ": "JWT"}, {"typ": None}]))
@example({"exp": 1e308}, {})
@example({"aud": [[]]}, {})
@example({"cnf": {"": {}}}, {})
@example({"token_use": {}}, {})
@example({"realm_access": {"roles": [[]]}}, {})
@example({"groups": []}, {})
def test_any_claims_correctly_signed_are_judged(members, header):
    header = {k: v for k, v in (GOOD_HEADER | header).items() if v is not None}
    payload = json.dumps(issuer().claims() | members).encode()
    every_verdict(signed(json.dumps(header).encode(), payload))


@FAST
@given(st.binary())
def test_any_octets_as_signed_claims_are_refused(payload):
    raw = signed(json.dumps(GOOD_HEADER).encode(), payload)
    assert {"claims_malformed"} == every_verdict(raw) or payload.strip().startswith(b"{")


@FAST
@given(st.text() | st.text('[]{}":,\\u0123456789ade+-.tfnNI'))
def test_strict_json_is_a_part_of_json(text):
    """What the strict reader takes, the standard one reads alike."""
    document = text.encode("utf-8", "surrogatepass")
    try:
        value = read_json(document)
    except EncodingError:
        return
    assert json.loads(text) == value


JWK_NAMES = ["kty", "crv", "alg", "use", "key_ops", "kid", "n", "e", "x", "y", "pub", "d", "k"]


@FAST
@given(objects(JWK_NAMES), st.sampled_from(["RSA", "EC", "OKP", "AKP"]))
def test_any_key_is_read_or_refused(members, kty):
    for jwk in (members, {"kty": kty} | members, dict(issuer().key.jwk) | members):
        try:
            key = parse_key(jwk)
        except KeyRefusedError:
            continue
        assert key.algorithms
        assert key.public_key is not None


@FAST
@given(JSON)
def test_any_document_is_a_set_of_keys_or_refused(value):
    for document in (value, {"keys": value}, {"keys": [value, dict(issuer().key.jwk)]}):
        try:
            keys = parse_key_set(json.dumps(document).encode())
        except KeySetError:
            continue
        assert "key-1" in {key.kid for key in keys.keys}


@pytest.mark.parametrize("guard", range(4))
def test_explain_never_raises_for_what_is_no_token_at_all(guard):
    for thing in (None, 5, b"", object(), [], "\ud800"):
        assert not guards()[guard].explain(thing).accepted
