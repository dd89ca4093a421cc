"""Guard.revoke and Guard.forget: what they end, for whom, and what they refuse to take."""

import asyncio

import pytest

from bearerguard import Guard, RejectedError
from bearerguard import Issuer as Named
from bearerguard.core.access import Access
from bearerguard.stores import memory
from bearerguard.testing import Issuer

SUBJECT, OTHER = "user-1", "user-2"


def outcome(guard, raw):
    """The reason of a refusal, or the subject; asked from a thread and from a task."""
    outcomes = []
    for verify in (guard.verify, lambda raw: asyncio.run(guard.averify(raw))):
        try:
            outcomes.append(verify(raw).subject)
        except RejectedError as refusal:
            outcomes.append(refusal.reason)
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


@pytest.fixture(params=["new", "known"])
def revoked(request, guard):
    """Revoke, then look at a token: one that the guard has not seen, or one that it knows."""

    def looked_at(raw, **what):
        if request.param == "known":
            assert outcome(guard, raw) == SUBJECT
        guard.revoke(**what)
        return outcome(guard, raw)

    return looked_at


@pytest.mark.parametrize("what", [{"token_id": "t"}, {"subject": SUBJECT}, {"session_id": "s"}])
def test_a_revoked_token_is_refused_by_each_of_its_names(revoked, issuer, what):
    """Also one that was verified before, at its very next use."""
    assert revoked(issuer.token(jti="t", sid="s"), **what) == "revoked"


@pytest.mark.parametrize("what", [{"token_id": "x"}, {"subject": OTHER}, {"session_id": "x"}])
def test_tokens_of_others_are_left_alone(revoked, issuer, what):
    assert revoked(issuer.token(jti="t", sid="s"), **what) == SUBJECT


@pytest.mark.parametrize("what", [{}, {"subject": SUBJECT}, {"session_id": "s"}])
@pytest.mark.parametrize(("ago_s", "expected"), [(61, "revoked"), (60, SUBJECT), (10, SUBJECT)])
def test_issued_before_spares_later_tokens(revoked, issuer, clock, what, ago_s, expected):
    """Alone it is about every token of the issuer."""
    raw = issuer.token(sid="s", iat=clock() - ago_s)
    assert revoked(raw, issued_before=clock() - 60, **what) == expected


def test_a_token_that_is_issued_after_its_subject_was_revoked_is_good(guard, issuer, clock):
    guard.revoke(subject=SUBJECT)
    assert outcome(guard, issuer.token()) == "revoked"
    clock.tick(1)
    assert outcome(guard, issuer.token()) == SUBJECT


def test_one_token_is_revoked_though_its_issuers_clock_is_ahead(guard, issuer, clock):
    """It is there already, so that it cannot be a later one."""
    raw = issuer.token(jti="t", iat=clock() + 29)
    guard.revoke(token_id="t")
    assert outcome(guard, raw) == "revoked"


def test_arevoke_does_the_same(guard, issuer):
    asyncio.run(guard.arevoke(subject=SUBJECT))
    assert outcome(guard, issuer.token()) == "revoked"


def test_several_names_count_each_by_itself(guard, issuer):
    guard.revoke(token_id="t", session_id="s")
    assert outcome(guard, issuer.token(jti="t")) == "revoked"
    assert outcome(guard, issuer.token(sid="s")) == "revoked"
    assert outcome(guard, issuer.token()) == SUBJECT


def test_a_revocation_with_a_known_end_is_not_kept_beyond_it(guard, issuer, clock):
    """Until the tokens would have expired anyway, by the tolerance for clocks."""
    raw = issuer.token(jti="t", exp=clock() + 600)
    guard.revoke(token_id="t", expires_at=clock() + 60)
    clock.tick(89)
    assert outcome(guard, raw) == "revoked"
    clock.tick(1)
    assert outcome(guard, raw) == SUBJECT


def test_the_greatest_age_of_tokens_bounds_what_is_kept(issuer, clock):
    guard = issuer.guard(max_token_age="5m")
    guard.revoke(subject=SUBJECT)
    (mark,) = guard.issuers.store.read_marks(issuer.url, [f"sub {SUBJECT}"])
    assert (mark.until, mark.is_exact) == (clock() + 1 + 300 + 30, True)


def test_a_token_of_a_month_stays_revoked(guard, issuer, clock):
    """Fail closed: nobody said how long tokens live, and a day was a guess."""
    raw = issuer.token(jti="t", exp=clock() + 30 * 86400)
    guard.revoke(token_id="t")
    clock.tick(29 * 86400)
    assert outcome(guard, raw) == "revoked"


def test_it_stays_revoked_when_others_have_taken_its_place(issuer, clock, monkeypatch):
    """Then older tokens of everybody go, and no newer ones."""
    monkeypatch.setattr(memory.MemoryStore.__init__, "__defaults__", (2, 2))
    guard = issuer.guard()
    raw, of_other = (issuer.token(sub=sub, exp=clock() + 30 * 86400) for sub in (SUBJECT, OTHER))
    guard.revoke(subject=SUBJECT)
    clock.tick(2 * 86400)
    young = issuer.token(sub=OTHER)
    for number in range(2):
        guard.revoke(subject=f"x{number}")
    assert outcome(guard, raw) == "revoked"
    assert outcome(guard, of_other) == "revoked"
    assert outcome(guard, young) == OTHER


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({}, "revoke what"),
        ({"issuer": "https://issuer.example"}, "revoke what"),
        ({"expires_at": 5}, "revoke what"),
        ({"token_id": "t", "issued_before": 5}, "leave out issued_before"),
        ({"token_id": ""}, "jti is a text"),
        ({"subject": 5}, "sub is a text"),
        ({"session_id": b"s"}, "sid is a text"),
        ({"subject": "s", "issued_before": "5"}, "is no time"),
        ({"subject": "s", "issued_before": True}, "is no time"),
        ({"subject": "s", "issued_before": float("nan")}, "is no time"),
        ({"subject": "s", "issued_before": -1}, "is no time"),
        ({"subject": "s", "issued_before": 1_800_000_000_000}, "is no time"),
        ({"subject": "s", "expires_at": float("inf")}, "is no time"),
        ({"subject": "s", "issuer": "https://issuer.example/"}, "exact iss"),
    ],
)
def test_what_says_nothing_or_nonsense_is_refused_and_revokes_nothing(guard, issuer, what, why):
    """Taken in silence it would promise a revocation that is not there."""
    for revoke in (guard.revoke, lambda **what: asyncio.run(guard.arevoke(**what))):
        with pytest.raises(ValueError, match=why):
            revoke(**what)
    assert not guard.issuers.store.in_use


def test_what_is_revoked_has_names_and_no_positions(guard):
    with pytest.raises(TypeError):
        guard.revoke("user-1")


@pytest.fixture
def two():
    return Issuer("https://one.example", alg="ES256"), Issuer("https://two.example", alg="ES256")


@pytest.fixture
def guard_of_two(two):
    class Both:
        def fetch(self, url, **limits):
            return two[url.startswith("https://two")].fetch(url, **limits)

    names = [issuer.url for issuer in two]
    return Guard(issuer=names, audience="https://api.example", fetcher=Both())


def test_with_several_issuers_it_must_be_said_whose_tokens(guard_of_two, two):
    """RFC 7519 section 4.1.2: a subject means something only within its issuer."""
    with pytest.raises(ValueError, match="say whose"):
        guard_of_two.revoke(subject=SUBJECT)
    guard_of_two.revoke(subject=SUBJECT, issuer=two[0].url)
    assert outcome(guard_of_two, two[0].token()) == "revoked"
    assert outcome(guard_of_two, two[1].token()) == SUBJECT


def test_tokens_of_an_issuer_that_is_still_to_be_resolved_can_be_revoked(clock):
    tenant = Issuer("https://acme.login.example", alg="ES256", clock=clock)
    guard = Guard(
        audience=tenant.audience,
        resolve_issuer=Named,
        issuers_allowed=["https://{tenant}.login.example"],
        fetcher=tenant,
        clock=clock,
    )
    guard.revoke(subject=SUBJECT, issuer=tenant.url)
    assert outcome(guard, tenant.token()) == "revoked"
    assert outcome(guard, tenant.token(sub=OTHER)) == OTHER


def test_a_revoked_token_gets_the_answer_of_any_invalid_token(guard, issuer):
    """RFC 6750 section 3.1: revoked is one of the meanings of invalid_token."""
    guard.revoke(subject=SUBJECT)
    with pytest.raises(RejectedError) as refusal:
        guard.verify(issuer.token())
    answer = guard.answer(refusal.value, Access())
    assert (answer.status, b"not valid for this resource" in answer.body) == (401, True)


def test_explain_tells_that_a_token_is_revoked(guard, issuer):
    guard.verify(issuer.token(sub=OTHER))
    guard.revoke(subject=SUBJECT)
    for report in (guard.explain(issuer.token()), asyncio.run(guard.aexplain(issuer.token()))):
        assert report.first_failure.name == "revocation"
        assert "get a new token" in report.first_failure.hint


def test_forget_has_the_tokens_of_a_subject_looked_at_anew(issuer):
    """What is kept of others stays, and nobody is revoked."""
    guard = issuer.guard(token_cache=100)
    own, others = issuer.token(sid="s"), issuer.token(sub=OTHER)
    for raw in (own, others):
        guard.verify(raw)
    kept = guard._verified
    for whose in ({"subject": SUBJECT}, {"session_id": "s", "issuer": issuer.url}):
        guard.verify(own)
        guard.forget(**whose)
        assert kept.find(kept.digest_of(own)) is None
        assert kept.find(kept.digest_of(others)) is not None
    assert outcome(guard, own) == SUBJECT


def test_forget_says_whose(guard):
    with pytest.raises(ValueError, match="forget whose"):
        guard.forget()


def test_a_store_that_was_interrupted_while_forgetting_is_empty_and_not_half_written(issuer):
    guard = issuer.guard(token_cache=100)
    raw = issuer.token()
    guard.verify(raw)

    def interrupted(_known):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guard._verified.drop(interrupted)
    assert guard._verified.find(guard._verified.digest_of(raw)) is None
