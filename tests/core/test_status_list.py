"""Token Status List: the reference in a token, the list, and the token that carries it."""

import zlib

import pytest

from bearerguard import RejectedError
from bearerguard.core.encoding import base64url_encode
from bearerguard.core.signature import VerifiedToken
from bearerguard.core.status_list import (
    DEFAULT_TTL_S,
    LONGEST_TTL_S,
    MOST_OCTETS,
    SHORTEST_TTL_S,
    Statuses,
    StatusReference,
    check_status,
    check_uri,
    read_list_token,
    read_statuses,
    status_list_of,
    status_reference,
)

NOW = 1_800_000_000
URI = "https://issuer.example/lists/1"


def packed(octets, **members):
    lst = base64url_encode(zlib.compress(octets)).decode()
    return {"bits": 1, "lst": lst} | members


def refusal(check, *arguments, **named):
    with pytest.raises(RejectedError) as refused:
        check(*arguments, **named)
    assert (refused.value.status, refused.value.error) == (401, "invalid_token")
    return refused.value.reason


# The reference


def test_a_token_without_a_status_has_none():
    assert status_reference({}) is None


@pytest.mark.requirement("TSL-8.3-2")
def test_a_reference_is_a_place_in_a_list():
    """Section 6.2; other mechanisms beside it may be there."""
    claims = {"status": {"status_list": {"idx": 0, "uri": URI, "x": 1}, "other": 5}}
    assert status_reference(claims) == StatusReference(URI, 0)


@pytest.mark.requirement("TSL-8.3-2")
@pytest.mark.parametrize(
    "reference",
    [
        {"idx": -1, "uri": URI},
        {"idx": "0", "uri": URI},
        {"idx": 1.5, "uri": URI},
        {"idx": 1.0, "uri": URI},
        {"idx": True, "uri": URI},
        {"idx": None, "uri": URI},
        {"uri": URI},
        {"idx": 0, "uri": 5},
        {"idx": 0},
        {"idx": 0, "uri": "https://issuer.example/" + "x" * 2048},
        [],
        None,
        5,
    ],
)
def test_a_malformed_reference_refuses_the_token(reference):
    """Section 8.3."""
    claims = {"status": {"status_list": reference}}
    assert refusal(status_reference, claims) == "claim_malformed"


@pytest.mark.parametrize("status", [None, "active", 5, [], True])
def test_a_status_that_is_no_object_refuses_the_token(status):
    """Section 6.1."""
    assert refusal(status_reference, {"status": status}) == "claim_malformed"


@pytest.mark.parametrize("status", [{}, {"identifier_list": {"id": "x", "uri": URI}}])
def test_a_status_that_cannot_be_looked_up_refuses_the_token(status):
    """Section 8.3: its issuer says that it may be revoked, and nobody can tell whether it is."""
    assert refusal(status_reference, {"status": status}) == "status_not_supported"


@pytest.mark.requirement("TSL-8.1-1")
@pytest.mark.parametrize(
    "uri",
    [
        "https://other.example/lists/1",
        "https://issuer.example.evil/lists/1",
        "https://issuer.example:444/lists/1",
        "https://user@issuer.example/lists/1",
        "http://issuer.example/lists/1",
        "https://issuer.example/lists/1#x",
        "https://issuer.example\\@evil.example/",
        "https://[issuer.example/lists/1",
        "https://keys.example.evil/1",
        "http://127.0.0.1/lists/1",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "/lists/1",
        "",
    ],
)
def test_a_list_elsewhere_is_not_asked_for(uri):
    """Section 8.1, RFC 8725 section 3.10: a token must not send us anywhere."""
    hosts = ["https://issuer.example/tenant", "https://keys.example/jwks"]
    assert refusal(check_uri, uri, hosts, http_allowed=False) == "status_uri_not_allowed"


@pytest.mark.parametrize("uri", [URI, f"{URI}?a=b", "https://issuer.example:443/x"])
def test_a_list_of_the_issuers_origin_may_be_asked_for(uri):
    check_uri(uri, ["https://issuer.example/tenant"], http_allowed=False)


def test_a_list_may_stand_where_the_operator_says_that_the_keys_are():
    check_uri("https://keys.example/1", ["issuer", "https://keys.example/jwks"], http_allowed=False)


# The list


@pytest.mark.requirement("TSL-7.1-1")
@pytest.mark.parametrize(
    ("status", "reason"),
    [(1, "revoked"), (2, "suspended"), (3, "status_unknown"), (11, "status_unknown")],
)
def test_every_status_but_valid_refuses(status, reason):
    """Section 7.1."""
    statuses = Statuses(4, bytes([status << 4]))
    assert refusal(check_status, statuses, StatusReference(URI, 1)) == reason
    check_status(statuses, StatusReference(URI, 0))


@pytest.mark.requirement("TSL-8.3-3")
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("beyond", [0, 1, 10**100])
def test_a_place_beyond_the_list_refuses(bits, beyond):
    """Section 8.3."""
    statuses = Statuses(bits, bytes(2))
    reference = StatusReference(URI, 16 // bits + beyond)
    assert refusal(check_status, statuses, reference) == "status_unknown"
    check_status(statuses, StatusReference(URI, 16 // bits - 1))


@pytest.mark.requirement("TSL-4.1-1")
@pytest.mark.parametrize(
    "status_list",
    [
        None,
        [],
        {},
        {"bits": 1},
        packed(b"x", bits=0),
        packed(b"x", bits=3),
        packed(b"x", bits=16),
        packed(b"x", bits="1"),
        packed(b"x", bits=True),
        packed(b"x", bits=None),
        packed(b"x", bits=[]),
        packed(b"x", lst=5),
        packed(b"x", lst="é"),
        packed(b"x", lst="eNo="),
        packed(b"x", lst=""),
        packed(b"x", lst=base64url_encode(b"no zlib").decode()),
        packed(b"x", lst=base64url_encode(zlib.compress(b"x")[:-1]).decode()),
        packed(b"x", lst=base64url_encode(zlib.compress(b"x") + b"x").decode()),
    ],
)
def test_a_malformed_list_is_none(status_list):
    """Section 4.2."""
    assert refusal(read_statuses, status_list) == "claim_malformed"


@pytest.mark.requirement("TSL-11.4-1")
def test_a_bomb_is_not_unpacked():
    """One kilobyte that would be a megabyte and more: no more than the limit is ever unpacked."""
    assert refusal(read_statuses, packed(bytes(MOST_OCTETS + 1))) == "claim_malformed"
    assert len(read_statuses(packed(bytes(MOST_OCTETS))).octets) == MOST_OCTETS


# Its token


@pytest.fixture
def read(issuer, policy):
    """Sign a status list token, and read it as its source would."""

    def read(*, header=None, without=(), **claims):
        good = {
            "sub": URI,
            "iat": NOW,
            "exp": NOW + 3600,
            "ttl": 600,
            "status_list": packed(b"\x02"),
        }
        claims = {name: value for name, value in (good | claims).items() if name not in without}
        raw = issuer.token(
            header={"typ": "statuslist+jwt"} | (header or {}),
            without=["aud", "client_id", "jti", *({"sub", "iat", "exp", "iss"} - claims.keys())],
            **claims,
        )
        rules = policy(issuer.url)
        token = read_list_token(raw.encode(), rules)
        # A verified token that nobody has verified, to look at one thing at a time.
        verified = object.__new__(VerifiedToken)
        verified.token, verified.key = token, None
        return status_list_of(verified, URI, rules, NOW)

    return read


def test_a_good_status_list_token_is_a_list_and_its_lifetime(read):
    found = read()
    assert [found.statuses.at(place) for place in range(3)] == [0, 1, 0]
    assert found.lifetime_s == 600


@pytest.mark.requirement("TSL-5.1-1")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"header": {"typ": "at+jwt"}}, "type_mismatch"),
        ({"header": {"typ": "JWT"}}, "type_mismatch"),
        ({"header": {"typ": None}}, "type_mismatch"),
        ({"header": {"alg": "none"}}, "algorithm_not_allowed"),
        ({"sub": f"{URI}/"}, "claim_malformed"),
        ({"without": ["sub"]}, "claim_malformed"),
        ({"iss": "https://other.example"}, "issuer_mismatch"),
        ({"without": ["iat"]}, "claim_missing"),
        ({"iat": "1"}, "claim_malformed"),
        ({"iat": True}, "claim_malformed"),
        ({"iat": NOW + 31}, "issued_in_the_future"),
        ({"exp": NOW}, "expired"),
        ({"exp": NOW - 1}, "expired"),
        ({"exp": None}, "claim_malformed"),
        ({"ttl": "5"}, "claim_malformed"),
        ({"without": ["status_list"]}, "claim_malformed"),
    ],
)
def test_each_thing_wrong_with_it_refuses_it(read, change, reason):
    """Section 5.1."""
    assert refusal(read, **change) == reason


def test_it_may_leave_out_its_end_and_its_issuer(read):
    assert read(without=["exp", "iss"]).lifetime_s == 600


@pytest.mark.requirement("TSL-8.3-4")
@pytest.mark.parametrize(
    ("claims", "lifetime_s"),
    [
        ({"ttl": 900}, 900),
        ({"ttl": 900, "exp": NOW + 60}, 60),
        ({"ttl": 0}, SHORTEST_TTL_S),
        ({"ttl": -5}, SHORTEST_TTL_S),
        ({"ttl": 10**30, "exp": 10**31}, LONGEST_TTL_S),
        ({"without": ["ttl"]}, DEFAULT_TTL_S),
        ({"ttl": 1, "exp": NOW + 0.25}, 0.25),
    ],
)
def test_it_lives_by_its_ttl_and_never_beyond_its_end(read, claims, lifetime_s):
    """Sections 8.3 and 13.7."""
    assert read(**claims).lifetime_s == lifetime_s


@pytest.mark.parametrize("body", [b"", b"a.b", b"\xff", b"<html>", b"a.b.c.d.e", b"e30.e30.e30"])
def test_what_is_no_token_at_all_is_a_refusal(policy, body):
    assert refusal(read_list_token, body, policy("https://issuer.example"))
