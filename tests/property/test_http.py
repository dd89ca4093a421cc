"""Whatever bytes arrive: a clear refusal, never an error of ours and never an opened door."""

import asyncio
import importlib.util
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bearerguard.testing import Issuer, SigningKey

pytestmark = pytest.mark.untraced

NOW = 1_800_000_000
# A loaded machine is no reason to fail; the examples are always the same ones.
FAST = settings(max_examples=150, deadline=None, derandomize=True, database=None)
FOLDER = Path(__file__).parents[1] / "adapters"

# By its path: test folders are no packages, so that it has no name to import it by.
_spec = importlib.util.spec_from_file_location("contract", FOLDER / "contract.py")
contract = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(contract)

# What an HTTP server lets through in a field's value (RFC 9110 section 5.5), and more than that:
# ASGI hands over octets, and WSGI the same octets as latin-1.
OCTETS = st.text(st.characters(max_codepoint=255), max_size=60)
PIECES = st.sampled_from(
    [
        "Bearer",
        "bearer",
        "Basic",
        " ",
        "  ",
        "\t",
        ",",
        ", ",
        "=",
        '"',
        "\\",
        ".",
        "a",
        "a.b.c",
        "\x00",
    ]
)
ALMOST = st.lists(PIECES | OCTETS, max_size=8).map("".join)
VALUES = st.lists(OCTETS | ALMOST | OCTETS.map("Bearer {}".format), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def apis():
    """The applications, which stay for all examples, with the issuer's keys at hand."""
    key = SigningKey.generate("ES256", kid="key-1")
    issuer = Issuer(key=key, clock=lambda: NOW)
    guard = issuer.guard(public=contract.PUBLIC)
    asyncio.run(guard.averify(issuer.token()))
    routes = (
        contract.Route("/read", needs=("read",)),
        contract.Route("/docs/private", needs=("x",)),
    )
    plan = contract.Plan((*routes, contract.ANYTHING), contract.OPTIONAL, guard)
    return [contract.make_api(adapter, plan) for adapter in contract.ADAPTERS]


@pytest.mark.requirement("6750-3-3", "9110-11.2-1", "9110-11.6.1-1", "GEN-2", "GEN-1", "6750-3-2")
@FAST
@example(values=["Bearer " + "." * 50])
@example(values=["Bearer " + "a" * 20_000])
@example(values=["Bearer a", "Basic b"])
@example(values=["Basic a,Bearer b"])
@example(values=["\xff"])
@example(values=[""])
@given(values=VALUES)
def test_no_authorization_field_is_an_error_of_ours_or_opens_anything(apis, values):
    """400 or 401, with a challenge that parses and has each parameter once; alike everywhere."""
    answers = []
    for api in apis:
        api.ran.clear()
        answer = api.call("GET", "/read", *[("Authorization", value) for value in values])
        assert answer.status in (400, 401)
        assert answer.challenge["realm"] == "https://api.example"
        assert (answer.json.get("error"), api.ran) == (answer.challenge.get("error"), [])
        answers.append((answer.status, answer.challenge, answer.body))
    if len(values) == 1:  # of several, WSGI servers make one with commas in it
        assert all(answer == answers[0] for answer in answers)


NAMES = ["healthz", "docs", "greeting", "shop", "private", "read", "a", "HEALTHZ", "Docs", "é"]
STEPS = [
    "/",
    "//",
    ".",
    "..",
    "%2f",
    "%2F",
    "%5c",
    "%2e",
    "%00",
    "%252e",
    "%25",
    "\\",
    "%",
    ";",
    "%ff",
]
STARTS = st.sampled_from(["", "/", "/healthz", "/docs/", "/docs", "/greeting", "/shop/a/"])
ODD_PATHS = st.builds(
    lambda start, rest: [start, *rest], STARTS, st.lists(st.sampled_from(NAMES + STEPS), max_size=6)
)


@pytest.mark.requirement("GEN-3")
@FAST
@example(pieces=["/", "docs", "/", "..", "/", "read"])
@example(pieces=["/", "docs", "%2f", "..", "%2f", "read"])
@example(pieces=["/", "/", "healthz"])
@given(pieces=ODD_PATHS)
def test_only_the_paths_that_were_named_are_open(apis, pieces):
    """Whatever the spelling: an anonymous caller gets to nothing else."""
    raw_path = "".join(pieces).replace("é", "%C3%A9")
    decoded = unquote_to_bytes(raw_path)
    for api in apis:
        api.ran.clear()
        if api.is_asgi:
            path = decoded.decode("utf-8", "replace")
        else:
            path = decoded.decode("utf-8", "surrogateescape")
        answer = api.call("GET", path, raw_path=raw_path)
        if not is_open(raw_path):
            assert (answer.status, api.ran) == (401, [])


def is_open(raw_path):
    """What may be open, said in another way than the package says it.

    A plain path whose every octet is a letter, a slash or an escape of neither dot nor separator,
    without an empty or a dotted segment, exactly one of those named or below one of the folders.
    """
    path = unquote_to_bytes(raw_path).decode("utf-8", "replace")
    head, *segments = path.split("/")
    if head or "" in segments[:-1] or {".", ".."} & set(segments):
        return False
    if any(odd in path for odd in ("\\", "\x00", "\ufffd")) or path == "/docs/private":
        return False
    spellings = re.sub("%(25)+", "%", f"{raw_path} {path}".lower())
    if any(escape in spellings for escape in ("%2f", "%5c", "%2e", "%00")):
        return False
    return path in ("/healthz", "/greeting") or path.startswith(("/docs/", "/shop/"))


@pytest.mark.parametrize(
    ("raw_path", "opened"),
    [
        ("/healthz", True),
        ("/docs/a", True),
        ("/docs/", True),
        ("/docs/%C3%A9;x", True),
        ("/docs", False),
        ("/docs/private", False),
        ("/docs/../a", False),
        ("//healthz", False),
        ("/docs/%252e", False),
        ("/read", False),
        ("", False),
    ],
)
def test_the_measure_of_the_test_above_is_not_empty(apis, raw_path, opened):
    """It tells both kinds apart, and what it calls open is."""
    assert is_open(raw_path) == opened
    for api in apis:
        path = unquote_to_bytes(raw_path).decode()
        is_served = api.call("GET", path, raw_path=raw_path).status in (200, 308, 404)
        assert is_served == opened
