"""Which issuers a list of exact names and templates allows, and which lists refuse the start."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bearerguard import ConfigurationError
from bearerguard.core.issuer_patterns import IssuerPatterns

TEMPLATE = "https://login.example/{tenant}/v2.0"
FAST = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def allows(entry: str, issuer: str) -> bool:
    return IssuerPatterns.of([entry]).allows(issuer)


@pytest.mark.parametrize(
    ("entry", "issuer"),
    [
        ("https://a.example", "https://a.example"),
        ("https://a.example/", "https://a.example/"),
        (TEMPLATE, "https://login.example/t/v2.0"),
        (TEMPLATE, "https://login.example/8c2a1b54-2ae4-4e6a-9f0b-3f7f4b8f5a11/v2.0"),
        (TEMPLATE, f"https://login.example/{'x' * 64}/v2.0"),
        (TEMPLATE, "https://login.example/-/v2.0"),
        ("https://{tenant}.login.example", "https://a-1.login.example"),
        ("https://t-{tenant}.login.example:8443/x", "https://t-0.login.example:8443/x"),
        ("https://{region}.login.example/{tenant}", "https://eu.login.example/T"),
        ("https://login.example/{region}_{pool}", "https://login.example/eu-west-1_AbC9"),
        ("https://login.example/{a}-{b}", "https://login.example/---"),
        ("https://login.example/{a}{b}", "https://login.example/" + "x" * 128),
        ("https://login.example/{a}x{b}x", "https://login.example/xxxxx"),
        ("http://localhost:8080/{realm}", "http://localhost:8080/test"),
        ("https://[2001:db8::1]/{realm}", "https://[2001:db8::1]/test"),
        ("https://10.0.0.1/{realm}", "https://10.0.0.1/test"),
    ],
)
def test_a_name_that_fits_is_allowed(entry, issuer):
    assert allows(entry, issuer)


@pytest.mark.parametrize(
    ("entry", "issuer"),
    [
        ("https://a.example", "https://a.example/"),
        ("https://a.example", "https://A.example"),
        ("https://a.example", "https://axexample"),
        ("https://a.example", ""),
        (TEMPLATE, TEMPLATE),
        (TEMPLATE, "https://login.example//v2.0"),
        (TEMPLATE, f"https://login.example/{'x' * 65}/v2.0"),
        (TEMPLATE, "https://login.example/t/v2.0/"),
        (TEMPLATE, "https://login.example/t/v2.0\n"),
        (TEMPLATE, " https://login.example/t/v2.0"),
        (TEMPLATE, "https://login.example/t/v2x0"),
        (TEMPLATE, "https://Login.example/t/v2.0"),
        (TEMPLATE, "https://login.example/T/V2.0"),
        (TEMPLATE, "https://login.example/a/b/v2.0"),
        (TEMPLATE, "https://login.example/../v2.0"),
        (TEMPLATE, "https://login.example/%74/v2.0"),
        (TEMPLATE, "https://login.example/t_t/v2.0"),
        (TEMPLATE, "https://login.example/\u00e9/v2.0"),
        (TEMPLATE, "https://login.example/\u0661/v2.0"),  # a digit, and none of ours
        (TEMPLATE, "https://login.example/\ud800/v2.0"),
        (TEMPLATE, "https://login.example/t"),
        ("https://{tenant}.login.example", "https://evil.example/.login.example"),
        ("https://{tenant}.login.example", "https://a.b.login.example"),
        ("https://{tenant}.login.example", "https://evil.example#.login.example"),
        ("https://{tenant}.login.example", "https://evil@x.login.example"),
        ("https://{tenant}.login.example", "https://x.login.example.evil.example"),
        ("https://login.example/{a}-{b}", "https://login.example/--"),
        ("https://login.example/{a}{b}", "https://login.example/x"),
        ("https://login.example/{a}{b}", "https://login.example/" + "x" * 129),
        ("https://login.example/{a}/{b}", "https://login.example/x/"),
    ],
)
def test_a_name_that_does_not_fit_exactly_is_not_allowed(entry, issuer):
    """RFC 7519 section 4.1.1: compared as it stands, never normalised first."""
    assert not allows(entry, issuer)


def test_one_entry_of_several_is_enough():
    patterns = IssuerPatterns.of(["https://a.example", TEMPLATE, "https://b.example"])
    for issuer in ("https://a.example", "https://b.example", "https://login.example/t/v2.0"):
        assert patterns.allows(issuer)
    assert not patterns.allows("https://c.example")
    assert patterns


def test_without_entries_nobody_is_allowed():
    assert not IssuerPatterns()
    assert not IssuerPatterns().allows("")
    assert not IssuerPatterns().allows("https://a.example")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (5, "is not text"),
        (None, "is not text"),
        (b"https://a.example", "is not text"),
        ("https://a.example/{tenant", "do not pair"),
        ("https://a.example/tenant}", "do not pair"),
        ("https://a.example/}{", "do not pair"),
        ("https://a.example/{a{b}}", "one inside another"),
        ("https://a.example/{{a}}", "one inside another"),
        ("https://a.example/{}", "without a name"),
        ("https://a.example/{ }", "without a name"),
        ("https://a.example/{a/b}", "without a name"),
        ("https://a.example/{1}", "without a name"),
        ("https://a.example/{*}", "without a name"),
        ("https://a.example/{\u00e9}", "without a name"),
        ("https://a.example/{t}/{t}", "the same name"),
        ("{scheme}://a.example", "a hole in the scheme"),
        ("http{s}://a.example", "a hole in the scheme"),
        ("https://{user}@a.example", "user name"),
        ("https://me:{password}@a.example", "user name"),
        ("https://a.example:{port}/", "the port"),
        ("https://a.example:44{port}", "the port"),
        ("https://{x}", "anybody"),
        ("https://{x}/path.a.example", "anybody"),
        ("https://{x}.example", "anybody"),
        ("https://a.{x}", "anybody"),
        ("https://a.b.{x}", "anybody"),
        ("https://a.{x}.example", "anybody"),
        ("https://a.{x}le.example", "anybody"),
        ("https://{x}.example.", "anybody"),
        ("https://{x}..example", "anybody"),
        ("https://{x}.example:443/y", "anybody"),
        ("https://{x}.example?a.b.example", "anybody"),
        ("https://{x}.example#a.b.example", "anybody"),
        ("https://{x}@{y}.example", "user name"),
        ("https://a.b.example@{x}", "anybody"),
        ("https://{x}.0.0.1", "in an address"),
        ("https://1.{x}.0.1", "in an address"),
        ("https://{x}.0.0.0x1", "in an address"),
        ("https://[{x}::1]", "anybody"),
        ("https://[::{x}]", "the port"),
        ("", "is not an absolute URL"),
        ("{tenant}", "is not an absolute URL"),
        ("login.example/{tenant}", "is not an absolute URL"),
        ("https:///{tenant}", "is not an absolute URL"),
        ("https://a.example/\\{tenant}", "is not an absolute URL"),
        (" https://a.example/{tenant}", "is not an absolute URL"),
        ("https://me@a.example/{tenant}", "a user name"),
        ("https://a.example/{tenant}?x", "has a query"),
        ("https://a.example/{tenant}#x", "has a fragment"),
        ("http://a.example/{tenant}", "https://"),
        ("ftp://a.example/{tenant}", "https://"),
        ("*", "is not an absolute URL"),
        ("http://a.example", "https://"),
    ],
)
def test_a_bad_entry_refuses_the_start(entry, problem):
    with pytest.raises(ConfigurationError) as refusal:
        IssuerPatterns.of(["https://good.example", entry])
    assert problem in str(refusal.value)
    assert repr(entry) in str(refusal.value)
    assert "good.example" not in str(refusal.value)


@pytest.mark.parametrize("entries", [[], (), None, "https://a.example", 5, b"x", {}])
def test_what_is_no_list_or_an_empty_one_refuses_the_start(entries):
    """One text would otherwise be a list of its characters."""
    with pytest.raises(ConfigurationError, match="a list with at least one issuer"):
        IssuerPatterns.of(entries)


def test_every_problem_of_every_entry_is_named_at_once():
    with pytest.raises(ConfigurationError) as refusal:
        IssuerPatterns.of(["http://a.example/{}/{t}/{t}", "https://{x}.example", 5, TEMPLATE])
    assert len(refusal.value.problems) == 5


def test_an_entry_is_not_shown_at_full_length():
    with pytest.raises(ConfigurationError) as refusal:
        IssuerPatterns.of(["x" * 100_000])
    assert len(str(refusal.value)) < 400


def test_plain_http_is_taken_where_the_operator_allows_it():
    patterns = IssuerPatterns.of(["http://a.example/{tenant}"], http_allowed=True)
    assert patterns.allows("http://a.example/t")
    assert not patterns.allows("https://a.example/t")


def meaning(template: str) -> "re.Pattern[str]":
    """Say as a regular expression what a template means; too slow to be used."""
    pieces = re.split(r"\{[a-z]\}", template)
    return re.compile("[A-Za-z0-9-]{1,64}".join(map(re.escape, pieces)))


@FAST
@given(
    st.lists(st.sampled_from(["-", "/", "a", "a-", "."]), min_size=1, max_size=4),
    st.text("a-/.b_", max_size=12),
)
def test_a_template_means_what_the_regular_expression_says(texts, rest):
    """However the holes lie beside each other."""
    template = "https://a.example/" + "".join(f"{{{'wxyz'[i]}}}{t}" for i, t in enumerate(texts))
    issuer = f"https://a.example/{rest}"
    assert (meaning(template).fullmatch(issuer) is not None) == allows(template, issuer)


@pytest.mark.parametrize("filling", ["-" * 1000, "-" * 15_000, "a-" * 250 + "!"])
def test_no_name_takes_long_to_compare(filling):
    """GEN-11 in spirit: backtracking would take 64 ** 5 steps for this template."""
    holes = "-".join(f"{{h{index}}}" for index in range(5))
    patterns = IssuerPatterns.of([f"https://a.example/{holes}/end"])
    begun = time.process_time()
    assert not patterns.allows(f"https://a.example/{filling}")
    assert time.process_time() - begun < 1
