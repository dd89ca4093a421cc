"""Who is who: what a directory answers to the flow, and how the arguments of a guard are checked."""

import asyncio

import pytest

from bearerguard import ConfigurationError, Guard, Issuer, UnavailableError
from bearerguard.core.flow import IssuerQuery, KeyQuery

A, B = "https://a.example", "https://b.example"
AUDIENCE = "https://api.example"
TEMPLATES = ["https://{tenant}.b.example", B]


def key_query(issuer):
    return KeyQuery(issuer, None, "RS256")


@pytest.fixture
def directory(issuer):
    """Of one configured issuer, A, and those that are found by asking: all but one."""

    def resolve(name):
        return None if name == B else Issuer(name)

    guard = Guard(
        issuers=[Issuer(A)],
        audience=AUDIENCE,
        resolve_issuer=resolve,
        issuers_allowed=TEMPLATES,
        fetcher=issuer,
        clock=issuer.clock,
    )
    return guard.issuers


def names(directory):
    return [known.settings.issuer for known in directory.all()]


def test_an_issuer_that_is_found_is_listed_after_those_that_are_configured(directory):
    assert names(directory) == [A]
    found = directory.answer(IssuerQuery("https://x.b.example"))
    assert found.issuer == "https://x.b.example"
    assert names(directory) == [A, "https://x.b.example"]


def test_a_task_gets_the_same(directory):
    found = asyncio.run(directory.aanswer(IssuerQuery("https://x.b.example")))
    assert found is directory.answer(IssuerQuery("https://x.b.example"))
    assert asyncio.run(directory.aanswer(IssuerQuery(B))) is None


def test_a_name_that_is_not_known_has_no_rules(directory):
    assert directory.answer(IssuerQuery(B)) is None
    assert names(directory) == [A]


def test_with_what_is_there_nobody_is_asked(directory):
    query = IssuerQuery("https://x.b.example")
    for _ in range(2):
        with pytest.raises(UnavailableError, match="nobody has asked"):
            directory.present(query)
    found = directory.answer(query)
    assert directory.present(query) is found
    assert directory.answer(IssuerQuery(B)) is None is directory.present(IssuerQuery(B))


def test_keys_of_an_issuer_that_is_not_there_cannot_be_had(directory, guard):
    """It may have been put out between the two questions of one token."""
    for each in (directory, guard.issuers):
        with pytest.raises(UnavailableError):
            each.answer(key_query("https://x.b.example"))
        with pytest.raises(UnavailableError):
            asyncio.run(each.aanswer(key_query("https://x.b.example")))
        with pytest.raises(UnavailableError):
            each.present(key_query("https://x.b.example"))


def test_keys_of_a_name_that_nobody_knows_cannot_be_had_either(directory):
    directory.answer(IssuerQuery(B))
    with pytest.raises(UnavailableError, match="this issuer is not known"):
        directory.answer(key_query(B))


@pytest.mark.parametrize("arguments", [{}, {"issuer": A}, {"issuers": [Issuer(A)]}])
def test_only_with_a_function_to_ask_there_may_be_more_issuers(issuer, arguments):
    ask = {"resolve_issuer": Issuer, "issuers_allowed": TEMPLATES}
    grows = Guard(audience=AUDIENCE, fetcher=issuer, **arguments, **ask)
    assert grows.issuers.may_grow
    assert not grows.has_one_issuer
    if arguments:
        fixed = Guard(audience=AUDIENCE, fetcher=issuer, **arguments)
        assert not fixed.issuers.may_grow
        assert fixed.has_one_issuer


def test_two_configured_issuers_are_not_one(issuer):
    assert not Guard(audience=AUDIENCE, fetcher=issuer, issuer=[A, B]).has_one_issuer


def test_an_issuer_that_is_found_has_the_settings_for_all_and_its_own(issuer):
    guard = Guard(
        audience=AUDIENCE,
        leeway="7s",
        resolve_issuer=lambda name: Issuer(name, algorithms="ES256", profile="jwt"),
        issuers_allowed=[B],
        fetcher=issuer,
    )
    policy = guard.issuers.answer(IssuerQuery(B))
    assert (policy.leeway_s, policy.algorithms) == (7, {"ES256"})
    assert policy.audiences == (AUDIENCE,)


def test_what_is_in_force_for_an_issuer_is_logged_when_it_is_found(directory, caplog):
    """As the start logs it for those that are configured."""
    caplog.set_level("INFO", logger="bearerguard")
    directory.answer(IssuerQuery("https://x.b.example"))
    assert "tokens of https://x.b.example, profile rfc9068" in caplog.messages[0]
    caplog.clear()
    directory.answer(IssuerQuery("https://x.b.example"))
    assert caplog.messages == []


# Refusing the start


def problems(**arguments):
    with pytest.raises(ConfigurationError) as refusal:
        Guard(**arguments)
    return refusal.value.problems


GOOD = {"audience": AUDIENCE, "resolve_issuer": Issuer, "issuers_allowed": [B]}


def test_somebody_must_be_allowed():
    (problem,) = problems(audience=AUDIENCE, resolve_issuer=Issuer)
    assert problem.startswith("issuers_allowed must be a list")


@pytest.mark.parametrize("allowed", [B, [], [""], ["https://{x}"], ["http://b.example"], [5]])
def test_a_list_of_names_that_cannot_be_meant_refuses_the_start(allowed):
    found = problems(**GOOD | {"issuers_allowed": allowed})
    assert all(problem.startswith("issuers_allowed") for problem in found)


def test_names_without_a_function_to_ask_refuse_the_start():
    (problem,) = problems(issuer=A, audience=AUDIENCE, issuers_allowed=[B])
    assert problem == "issuers_allowed is for resolve_issuer, which is not set; set both"


@pytest.mark.parametrize("resolve", ["module.function", {B: Issuer(B)}, Issuer(B)], ids=repr)
def test_what_cannot_be_called_is_no_function_to_ask(resolve):
    (problem,) = problems(**GOOD | {"resolve_issuer": resolve})
    assert problem.startswith("resolve_issuer is no function")


def test_all_problems_are_named_together():
    found = problems(issuers=[5], resolve_issuer=5, issuers_allowed=["x"], leeway="soon")
    assert [text for text in found if text.startswith("issuers[0]")]
    assert [text for text in found if "leeway" in text]
    assert [text for text in found if text.startswith("resolve_issuer")]
    assert [text for text in found if text.startswith("issuers_allowed")]


def test_every_file_of_keys_that_is_none_is_named(tmp_path):
    found = problems(
        audience=AUDIENCE,
        issuers=[Issuer(name, jwks_file=str(tmp_path / name[8])) for name in (A, B)],
    )
    assert [str(tmp_path / "a") in found[0], str(tmp_path / "b") in found[1]] == [True, True]
    assert len(found) == 2


def test_plain_http_is_for_loopback_or_as_the_settings_allow(issuer):
    plain = GOOD | {"issuers_allowed": ["http://{x}.b.example"], "fetcher": issuer}
    (problem,) = problems(**plain)
    assert problem.startswith("issuers_allowed")
    guard = Guard(**plain, allow_http=True)
    assert guard.issuers.answer(IssuerQuery("http://y.b.example")).issuer == "http://y.b.example"
    Guard(**GOOD | {"issuers_allowed": ["http://127.0.0.1:8000/{x}"]})
