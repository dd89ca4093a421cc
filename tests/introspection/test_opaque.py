"""Which tokens are opaque, and who is asked about them: by shape and settings, never by failure."""

import asyncio

import pytest

from bearerguard import AccessToken, Guard, RejectedError, UnavailableError
from bearerguard import Issuer as NamedIssuer
from bearerguard.core.encoding import base64url_encode
from bearerguard.core.flow import authenticate
from bearerguard.core.opaque import LONGEST_OPAQUE_TOKEN, is_opaque
from bearerguard.core.queries import IntrospectionQuery
from bearerguard.drivers import drive
from bearerguard.errors import ConfigurationError
from bearerguard.testing import BAD_TOKENS, Issuer

A, B, API = "https://a.example", "https://b.example", "https://api.example"
CLIENT = {"introspection_client_id": "api", "introspection_client_secret": "hush"}


def b64(text) -> str:
    return base64url_encode(text.encode()).decode()


def with_header(text, *rest) -> str:
    return ".".join([b64(text), *rest])


HEADER = b64('{"alg":"RS256"}')


class Network:
    """Several issuers as the one Fetcher of a guard; ``asked`` has who was asked about a token."""

    def __init__(self, *issuers):
        self.issuers = issuers
        self.asked = []

    def fetch(self, url, *, form=None, **limits):
        (issuer,) = (one for one in self.issuers if url.startswith(one.url + "/"))
        if form is not None:
            self.asked.append(issuer.url)
        return issuer.fetch(url, form=form, **limits)


@pytest.mark.parametrize(
    "raw",
    [
        f"{HEADER}.e30.c2ln",
        f"{HEADER}..",  # without content and signature
        f"{HEADER}.e30.c2ln=",  # with what a lenient reader overlooks
        f"{HEADER}.e30.c2ln.",
        f"{HEADER}.e30.c2ln~+/",
        with_header('{"alg":5}', "e30", ""),
        with_header('{"alg":"none"}', "e30", ""),
        with_header('{"alg":"RS256","alg":"none"}', "e30", "e30"),  # two readers, two headers
        with_header(' {"typ":"JWT", "alg":"RS256"}', "A", "A"),
        with_header(
            '{"alg":"' + "x" * 600 + '"}', "e30", "e30"
        ),  # a header too long to be remembered
    ],
)
def test_three_parts_of_base64url_that_begin_with_a_header_are_a_jwt(raw):
    """RFC 7515 section 3.1; read leniently, so that an odd one is refused and not sent away."""
    assert not is_opaque(raw, 16384)


@pytest.mark.parametrize(
    "raw",
    [
        "x",
        "a.b",
        "a.b.c",
        f"{HEADER}.e30",
        f"{HEADER}.e30.e30.e30",
        f"{HEADER}.e30=.c2ln",
        f"{HEADER}.e~0.c2ln",
        with_header('{"kid":"1"}', "e30", "c2ln"),
        with_header('["alg"]', "e30", "c2ln"),
        with_header("[" * 5000, "e30", "c2ln"),
        with_header('{"alg":"dir"}', "a", "b", "c", "d"),  # encrypted, for whoever has the key
        "ä.b.c",
    ],
)
def test_everything_else_is_opaque(raw):
    assert is_opaque(raw, 16384)


@pytest.mark.parametrize("raw", [None, b"x", 5, "x" * 513])
def test_what_is_no_text_or_too_long_is_not_looked_at(raw):
    assert not is_opaque(raw, 512)


@pytest.mark.requirement("7662-4-7")
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("x" * (LONGEST_OPAQUE_TOKEN + 1), "token_too_large"),
        ("x" * 10_001, "token_too_large"),
        ("x" * 20_000, "token_too_large"),
        ("a b", "token_malformed"),
        ("a\nb", "token_malformed"),
        ("tökén", "token_malformed"),
        ("", "token_malformed"),
        ("==", "token_malformed"),
        (None, "token_malformed"),
    ],
)
def test_junk_is_refused_before_anybody_is_asked(raw, reason, asking, issuer, outcome):
    """RFC 7662 section 4."""
    assert outcome(asking, raw) == reason
    assert issuer.requests == []


def test_the_longest_opaque_token_is_asked_about(asking, issuer, outcome):
    issuer.opaque_tokens["x" * LONGEST_OPAQUE_TOKEN] = issuer.claims()
    assert outcome(asking, "x" * LONGEST_OPAQUE_TOKEN) == "user-1"


def test_an_opaque_token_is_taken_where_its_issuer_is_asked(asking, issuer):
    token = asking.verify(issuer.opaque_token("read write", tenant="acme"))

    assert (token.subject, token.scopes, token.issuer) == ("user-1", {"read", "write"}, issuer.url)
    assert token.claims["tenant"] == "acme"


def test_a_bad_jwt_is_never_sent_to_the_introspection_endpoint(asking, issuer, outcome):
    """Else each forged token would be a request, and a second chance."""
    tokens = {name: make(issuer) for name, make in BAD_TOKENS.items()}
    of_jwts = {n: outcome(asking, raw) for n, raw in tokens.items() if not is_opaque(raw, 16384)}

    assert len(of_jwts) >= len(BAD_TOKENS) - 3
    assert {"token_inactive", "user-1", 503}.isdisjoint(of_jwts.values())
    assert issuer.introspection_uri not in issuer.requests


def test_a_jwt_of_an_issuer_with_introspection_is_verified_as_a_jwt(asking, issuer):
    assert asking.verify(issuer.token()).subject == "user-1"
    assert asking.verify(issuer.token()).subject == "user-1"
    assert issuer.introspection_uri not in issuer.requests


def test_the_way_that_asks_for_everything_ends_the_same(asking, issuer, clock):
    """decide() goes straight through where it can; authenticate() is one flow."""
    answer = asking.issuers.answer
    for raw in (issuer.opaque_token("read"), issuer.token("read")):
        flow = authenticate(raw, asking.trust, clock())
        decided = drive(flow, answer)
        token = decided if isinstance(decided, AccessToken) else decided.token
        assert token == asking.verify(raw)


@pytest.mark.parametrize("uri", [None, "https://issuer.example/ask"])
def test_the_start_tells_that_opaque_tokens_are_asked_about(issuer, client, caplog, uri):
    with caplog.at_level("INFO", logger="bearerguard"):
        issuer.guard(**client, introspection_uri=uri)
    told = f"asking about opaque tokens of {issuer.url}: "
    assert told + (uri or "the endpoint that its metadata name") in caplog.text


def test_without_introspection_an_opaque_token_is_malformed(issuer, guard, reason):
    assert reason(issuer.opaque_token()) == "token_malformed"
    assert "INTROSPECTION" in guard.explain("opaque").first_failure.hint
    assert issuer.requests == []


def test_who_is_not_asked_about_opaque_tokens_has_no_word_on_them(issuer, guard):
    """The flow never asks this; a driver of somebody else's must not be misled."""
    with pytest.raises(UnavailableError):
        guard.issuers.answer(IntrospectionQuery(issuer.url, "opaque"))


def test_a_query_never_shows_its_token():
    assert "hush" not in repr(IntrospectionQuery(A, "hush"))


# Several issuers


def two(clock, signing_key, *, first=None, second=None):
    """A guard of two issuers, the issuers, and the network between them."""
    issuers = [Issuer(url, key=signing_key, clock=clock) for url in (A, B)]
    network = Network(*issuers)
    guard = Guard(
        issuers=[NamedIssuer(A, **(first or {})), NamedIssuer(B, **(second or {}))],
        audience=API,
        fetcher=network,
        clock=clock,
    )
    return guard, *issuers, network


@pytest.mark.requirement("7662-4-9")
def test_an_opaque_token_goes_to_the_one_issuer_with_introspection(clock, signing_key, outcome):
    """RFC 7662 section 4: whoever sees a token can use it, so that nobody else is shown it."""
    guard, a, b, network = two(clock, signing_key, second=CLIENT)

    assert guard.verify(b.opaque_token()).issuer == B
    assert outcome(guard, a.opaque_token()) == "token_inactive"
    assert outcome(guard, a.token()) == "user-1"
    assert network.asked == [B, B]


@pytest.mark.requirement("7662-4-9")
def test_a_prefix_says_which_of_two_issuers_is_asked(clock, signing_key, outcome):
    first, second = CLIENT | {"token_prefix": "a_"}, CLIENT | {"token_prefix": "b_"}
    guard, a, b, network = two(clock, signing_key, first=first, second=second)
    a.opaque_tokens["a_1"], b.opaque_tokens["b_1"] = a.claims(sub="al"), b.claims(sub="bo")

    assert [outcome(guard, raw) for raw in ("a_1", "b_1", "b_2", "c_1", "a")] == [
        *("al", "bo", "token_inactive"),
        *("token_malformed", "token_malformed"),
    ]
    assert network.asked == [A, B, B]


@pytest.mark.requirement("7662-4-9")
@pytest.mark.parametrize(
    ("first", "second"), [({}, {}), ({"token_prefix": "a_"}, {}), *[({"token_prefix": p}, {"token_prefix": q}) for p, q in (("a", "a"), ("a", "ab"), ("ab", "a"))]]
)  # fmt: skip
def test_two_issuers_that_nothing_tells_apart_refuse_the_start(first, second):
    with pytest.raises(ConfigurationError) as refusal:
        Guard(
            issuers=[NamedIssuer(A, **CLIENT, **first), NamedIssuer(B, **CLIENT, **second)],
            audience=API,
        )

    (problem,) = refusal.value.problems
    assert "set a token_prefix for each, none of which begins another" in problem
    assert "issuers[0]" in problem
    assert "issuers[1]" in problem


def test_a_resolved_issuer_cannot_be_asked_about_opaque_tokens(clock, signing_key):
    """Nothing about an opaque token says that it is this issuer's."""
    late = Issuer(A, key=signing_key, clock=clock)
    guard = Guard(
        resolve_issuer=lambda name: NamedIssuer(name, **CLIENT),
        issuers_allowed=[A],
        audience=API,
        fetcher=late,
        clock=clock,
    )

    with pytest.raises(UnavailableError) as refusal:
        guard.verify(late.token())

    assert "resolve_issuer failed" in refusal.value.detail


# The report


def rows(report):
    return {check.name: (check.passed, check.reason) for check in report.checks}


def test_a_report_on_an_opaque_token_tells_what_its_issuer_said_before(asking, issuer):
    good, wrong = issuer.opaque_token(), issuer.opaque_token(aud="x", token_type="DPoP")
    before = asking.explain(good)
    asking.verify(good)
    with pytest.raises(RejectedError):
        asking.verify(wrong)

    assert rows(before)["introspection"] == (None, "issuer_unavailable")
    assert asking.explain(good).accepted
    failed = {name: row[1] for name, row in rows(asking.explain(wrong)).items() if row[0] is False}
    assert failed == {"audience": "audience_mismatch", "token_type": "scheme_mismatch"}
    assert rows(asking.explain(wrong))["authorization"] == (None, None)


async def asked_report(guard, raw):
    return await guard.aexplain(raw)


def test_a_report_may_ask_and_never_raises(asking, issuer):
    def report(raw):
        return asyncio.run(asked_report(asking, raw))

    good = issuer.opaque_token()
    assert report(good).accepted
    assert rows(report("nobody"))["introspection"] == (False, "token_inactive")
    assert rows(report("a b")) | {"shape": (False, "token_malformed")} == rows(report("a b"))
    assert report(issuer.token()).accepted
    issuer.is_down = True
    assert rows(report("another"))["introspection"] == (None, "issuer_unavailable")
    assert report("another").first_failure is None
