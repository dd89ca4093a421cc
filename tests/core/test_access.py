"""What the operator said about paths: public, optional, and tables of rules."""

import re

import pytest

from bearerguard import ConfigurationError, authenticated, scope
from bearerguard.core.access import Access
from bearerguard.core.access_table import AccessTable, PathSet, is_normal
from bearerguard.core.request import RequestView


def request(path, method="GET", raw_path=None):
    return RequestView(method, path, raw_path, ())


NORMAL = ["/", "/a", "/a/", "/a/b.c", "/...", "/a..b", "/.well-known/x", "/%", "/%2", "/%41", "/é"]
ODD = [
    "",
    "a",
    "*",
    "//",
    "//a",
    "/a//",
    "/a//b",
    "/.",
    "/..",
    "/./a",
    "/a/.",
    "/a/../b",
    "/a\\b",
    "/a\x00",
    "/a\ufffd",
    "/%2fa",
    "/%2F",
    "/a%5Cb",
    "/%2e",
    "/%2E%2e/",
    "/a%00",
    "/%252e",
    "/%2525252f",
]


@pytest.mark.requirement("GEN-3")
@pytest.mark.parametrize("path", NORMAL)
def test_a_path_that_everybody_reads_alike_is_normal(path):
    assert is_normal(request(path))
    assert is_normal(request(path, raw_path=path))


@pytest.mark.requirement("GEN-3")
@pytest.mark.parametrize("path", ODD, ids=ascii)
def test_a_path_that_could_be_read_in_two_ways_is_not(path):
    assert not is_normal(request(path))


@pytest.mark.requirement("GEN-3")
@pytest.mark.parametrize("raw", ["/%2e", "/%2Fa", "/a%5c", "/a%00", "/%252E", "http://a%2eb/"])
def test_a_path_whose_raw_form_could_be_read_in_two_ways_is_not(raw):
    assert not is_normal(request("/a", raw_path=raw))


@pytest.mark.requirement("GEN-3")
@pytest.mark.parametrize("path", [path for path in ODD if path != "/%2525252f"], ids=ascii)
def test_an_odd_path_is_never_open(path):
    """Whatever entries are there: even one that names it is not accepted."""
    table = AccessTable(public=PathSet.of([path, "/*"]), optional=PathSet.of([path, "/*"]))
    assert table.access(request(path)) == Access()
    with pytest.raises(ConfigurationError):
        AccessTable.of([path], [], None)


def test_a_folder_is_what_lies_below_it():
    folder = PathSet.of(["/docs/*"])
    assert [folder.has(path) for path in ("/docs/", "/docs/a", "/docs/a/b")] == [True] * 3
    assert [folder.has(path) for path in ("/docs", "/docsx", "/DOCS/a", "/x/docs/a")] == [False] * 4


def test_an_exact_path_is_that_path():
    exact = PathSet.of(["/a"])
    assert exact.has("/a")
    assert [exact.has(path) for path in ("/A", "/a/", "/a/b", "/", "")] == [False] * 5


def test_no_entry_has_no_path():
    assert not PathSet().has("")
    assert PathSet().samples() == ()


def test_public_wins_over_optional_and_a_rule_over_both():
    table = AccessTable.of(["/a"], ["/a", "/b", "/c"], None)
    assert table.access(request("/a")) == Access(public=True)
    assert table.access(request("/b")) == Access(optional=True)
    ruled = AccessTable.of(["/a"], ["/b"], {"GET /a": "x", "GET /b": "y"})
    assert [ruled.access(request(path)).need for path in ("/a", "/b")] == [scope("x"), scope("y")]
    assert ruled.access(request("/a", "POST")) == Access(public=True)


def test_without_a_table_a_token_is_asked_for_and_with_one_a_rule():
    assert AccessTable.of([], [], None).access(request("/x")) == Access()
    assert AccessTable.of([], [], {}).access(request("/x")) == Access(unruled=True)
    starred = AccessTable.of([], [], {"*": authenticated})
    assert starred.access(request("/x")) == Access(need=authenticated)
    assert starred.access(request("//x")) == Access(unruled=True)


def test_the_longest_rule_decides_and_an_exact_one_before_a_folder():
    rules = {"* /*": "1", "* /a/*": "2", "GET /a/": "3", "* /a/b": "4", "GET /a/b/*": "5"}
    table = AccessTable.of([], [], rules)
    decided = {
        path: table.access(request(path)).need.name
        for path in ("/", "/a", "/a/", "/a/x", "/a/b", "/a/b/", "/a/b/c")
    }
    assert list(decided.values()) == ["1", "1", "3", "2", "4", "5", "5"]
    assert table.access(request("/a/b/c", "PUT")).need == scope("2")


def test_a_rule_for_get_speaks_of_head_and_of_nothing_else():
    table = AccessTable.of([], [], {"GET /a": "x"})
    speaks = [
        m
        for m in ("GET", "HEAD", "POST", "OPTIONS", "get")
        if table.access(request("/a", m)).need is not None
    ]
    assert speaks == ["GET", "HEAD"]


def test_a_rule_that_speaks_of_options_holds_for_a_preflight():
    table = AccessTable.of([], [], {"* /a": "x", "OPTIONS /b": "x", "GET /c": "x", "*": "x"})
    answers = [
        table.access(request(path, "OPTIONS")).answers_options for path in ("/a", "/b", "/c")
    ]
    assert answers == [True, True, False]


@pytest.mark.parametrize(
    ("route", "entry", "overlaps"),
    [
        ("/a", "/a", True),
        ("/a/{id}", "/a/1", True),
        ("/a/<int:id>", "/a/1", True),
        ("/a/{id}", "/a/*", True),
        ("/a/b", "/a/*", True),
        ("/{rest:path}", "/a/*", True),
        ("/a/{id}", "/a", False),
        ("/a.c", "/abc", False),
        ("/a", "/b", False),
        ("/a/", "/a/*", True),
    ],
)
@pytest.mark.parametrize("kind", ["public", "optional"])
def test_an_entry_opens_paths_of_a_route(route, entry, overlaps, kind):
    lists = {"public": [], "optional": []} | {kind: [entry]}
    assert AccessTable.of(**lists, rules=None).opens(route) is overlaps


def test_rules_and_entries_that_overlap_are_named_once():
    rules = {"GET /a": "x", "* /b/*": "x", "GET /c/d": "x", "GET /e": "x", "*": "x"}
    table = AccessTable.of(["/a", "/b/x"], ["/a", "/b/*", "/c/*", "/f"], rules)
    assert sorted(table.conflicts()) == ["* /b/", "GET /a", "GET /c/d"]
    assert AccessTable.of(["/a"], [], None).conflicts() == []


def test_each_mistake_says_where_it_is():
    rules = {"GET x": "a", "HEAD /x": "a", "GET /y": "a b", "GET /z": [], "GET /%2e": "a"}
    with pytest.raises(ConfigurationError) as refusal:
        AccessTable.of("/a", ["/*", 5], rules)
    told = "\n".join(refusal.value.problems)
    assert len(refusal.value.problems) == 8
    for words in (
        r"public: '/a' is no list",
        r"optional: '/\*' would open the whole application",
        r"optional: 5 is no path",
        r"rule 'GET x': write a method",
        r"rule 'HEAD /x': HEAD takes the rule of GET",
        r"rule 'GET /y': 'a b' is not a scope",
        r"rule 'GET /z': an empty list says nothing",
        r"rule 'GET /%2e': path: '/%2e' can never match",
    ):
        assert re.search(words, told), words
