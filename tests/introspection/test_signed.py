"""Signed answers (RFC 9701): a JWT of the issuer for this API, or 503."""

import json

import pytest

from bearerguard import RejectedError
from bearerguard.jwks.fetch import Fetched
from bearerguard.testing import SigningKey

KIND = "application/token-introspection+jwt"


class Signing:
    """An issuer in memory that signs what a test says."""

    def __init__(self, issuer, client):
        self.issuer = issuer
        self.kind = KIND
        self.header = {"typ": "token-introspection+jwt"}
        self.key = None
        self.without = ()
        self.changes = {}
        self.body = None
        self.accepted = []
        issuer._answer_about = self.answer
        self.guard = issuer.guard(**client, introspection_signed=True)

    def answer(self, token, accept):
        self.accepted.append(accept)
        content = {
            "iss": self.issuer.url,
            "aud": "api",
            "iat": int(self.issuer.clock()),
            "token_introspection": {"active": True, **self.issuer.claims(sub="inside")},
        } | self.changes
        content = {name: value for name, value in content.items() if name not in self.without}
        signed = self.issuer.sign(
            json.dumps(content).encode(), header=self.header, key=self.key
        ).encode()
        return Fetched(200, {"content-type": self.kind}, self.body or signed)


@pytest.fixture
def signing(issuer, client):
    return Signing(issuer, client)


@pytest.mark.requirement("9701-4-1", "7662-2.1-4")
def test_a_signed_answer_is_asked_for_and_taken(signing, outcome):
    """RFC 9701 sections 4 and 5."""
    assert outcome(signing.guard, "opaque") == "inside"
    assert signing.accepted == [KIND]
    assert outcome(signing.guard, "opaque") == "inside"
    assert len(signing.accepted) == 1


def test_the_issuer_in_memory_signs_answers_too(issuer, client, outcome):
    guard = issuer.guard(**client, introspection_signed=True)
    assert outcome(guard, issuer.opaque_token()) == "user-1"
    assert outcome(guard, "nobody") == "token_inactive"


@pytest.mark.requirement("9701-5-1")
@pytest.mark.parametrize("typ", ["at+jwt", "JWT", None, "application/jwt", "introspection+jwt", ""])
def test_another_type_of_jwt_is_503(signing, outcome, typ):
    """RFC 9701 section 5, RFC 8725 section 3.11."""
    signing.header = {"typ": typ}
    assert outcome(signing.guard, "opaque") == 503


@pytest.mark.requirement("9701-5-1")
@pytest.mark.parametrize("typ", ["TOKEN-introspection+JWT", "application/token-introspection+jwt"])
def test_the_type_may_be_written_as_a_media_type_is(signing, outcome, typ):
    signing.header = {"typ": typ}
    assert outcome(signing.guard, "opaque") == "inside"


@pytest.mark.requirement("9701-5-1", "9701-5-4")
@pytest.mark.parametrize("kind", ["application/json", "application/jwt", "text/plain", ""])
def test_another_content_type_is_503(signing, outcome, kind):
    signing.kind = kind
    assert outcome(signing.guard, "opaque") == 503


@pytest.mark.requirement("9701-5-4")
@pytest.mark.parametrize("kind", ["application/json", KIND])
def test_a_plain_answer_is_refused_where_a_signed_one_was_demanded(signing, outcome, kind):
    """RFC 9701 section 5: else whoever is on the way would take the signature off."""
    signing.kind, signing.body = kind, json.dumps({"active": True}).encode()
    assert outcome(signing.guard, "opaque") == 503
    signing.body = b'{"active":false}'
    assert outcome(signing.guard, "another") == 503


@pytest.mark.requirement("9701-5-2")
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "another-api"},
        {"aud": []},
        {"aud": 5},
        {"iat": "now"},
        {"iat": None},
        {"iat": 1_900_000_000},
        {"nbf": 1_900_000_000},
        {"exp": 1_700_000_000},
        {"exp": "soon"},
    ],
    ids=repr,
)
def test_an_answer_of_somebody_else_or_for_somebody_else_is_503(signing, outcome, changes):
    """RFC 9701 section 5; and nobody remembers the token as inactive."""
    signing.changes = changes
    assert outcome(signing.guard, "opaque") == 503
    signing.changes = {}
    assert outcome(signing.guard, "opaque") == "inside"


@pytest.mark.requirement("9701-5-2")
@pytest.mark.parametrize("name", ["iss", "aud", "iat"])
def test_an_answer_that_lacks_one_of_these_is_503(signing, outcome, name):
    signing.without = [name]
    assert outcome(signing.guard, "opaque") == 503


@pytest.mark.requirement("9701-5-2")
@pytest.mark.parametrize("audience", ["api", "https://api.example", ["x", "api"]])
def test_an_answer_names_this_api_as_a_client_or_as_its_tokens_do(signing, outcome, audience):
    """RFC 9701 section 5: the resource server that asked, however it is identified."""
    signing.changes = {"aud": audience}
    assert outcome(signing.guard, "opaque") == "inside"


@pytest.mark.requirement("9701-5-2")
def test_a_signature_by_another_key_is_503(signing, outcome):
    for key in (SigningKey.generate("RS256", kid="key-1"), SigningKey.generate("ES256", kid="x")):
        signing.key = key
        assert outcome(signing.guard, "opaque") == 503


@pytest.mark.requirement("9701-5-2")
def test_an_unsigned_answer_or_one_by_an_algorithm_that_is_not_allowed_is_503(
    issuer, client, outcome
):
    narrow = Signing(issuer, client | {"algorithms": "ES256"})
    assert outcome(narrow.guard, "opaque") == 503
    unsigned = Signing(issuer, client)
    unsigned.header = {"typ": "token-introspection+jwt", "alg": "none"}
    assert outcome(unsigned.guard, "opaque") == 503


def test_an_answer_signed_by_a_new_key_finds_it(signing, issuer, outcome, clock):
    assert outcome(signing.guard, "one") == "inside"
    issuer.rotate()
    assert outcome(signing.guard, "two") == "inside"


@pytest.mark.requirement("9701-5-3")
@pytest.mark.parametrize("inside", [None, 5, [], "x"])
def test_without_an_object_for_the_token_nothing_is_known(signing, outcome, inside):
    """RFC 9701 section 5: what stands at the top is about the answer."""
    signing.changes = {"token_introspection": inside, "active": True, **signing.issuer.claims()}
    assert outcome(signing.guard, "opaque") == 503
    signing.without = ["token_introspection"]
    assert outcome(signing.guard, "opaque") == 503


@pytest.mark.requirement("9701-5-3")
def test_what_stands_at_the_top_is_not_about_the_token(signing, outcome, issuer):
    inside = {"active": True, **issuer.claims(without=["sub", "exp", "scope"])}
    signing.changes = {
        "token_introspection": inside,
        "active": True,
        "sub": "outside",
        "scope": "admin",
        "exp": int(issuer.clock()) + 60,
    }
    assert outcome(signing.guard, "opaque") == "claim_missing"
    inside["active"] = False
    assert outcome(signing.guard, "another") == "token_inactive"


@pytest.mark.requirement("9701-8.1-1")
def test_a_signed_answer_is_no_access_token(signing, issuer):
    """RFC 9701 section 8.1: neither as a JWT nor by way of introspection."""
    answer = signing.answer("opaque", KIND).body.decode()
    with pytest.raises(RejectedError, match="type_mismatch"):
        signing.guard.verify(answer)


def test_an_issuer_whose_keys_cannot_be_had_is_503(issuer, client, outcome):
    guard = issuer.guard(
        **client, introspection_signed=True, introspection_uri=issuer.introspection_uri
    )
    issuer.jwks = lambda: {"keys": []}
    assert outcome(guard, issuer.opaque_token()) == 503
