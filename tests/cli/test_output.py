"""What commands print: plain and searchable, unless a person looks at a terminal that takes colour."""

import io
import json

import pytest

from bearerguard.cli.output import Output


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def no_wish(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def printed(stream, *, as_json=False):
    out = Output(as_json=as_json, stream=stream)
    out.line("mended [red]not markup[/red]", "bad")
    out.table(["route", "needs"], [["/orders", "orders:read"], ["/x", ""]])
    return stream.getvalue()


def test_a_pipe_gets_one_plain_line_a_row():
    assert printed(io.StringIO()) == (
        "mended [red]not markup[/red]\nroute    needs\n/orders  orders:read\n/x\n"
    )


def test_a_terminal_gets_colour_and_a_table():
    text = printed(Terminal())

    assert "\x1b[" in text
    assert "─" in text
    assert "[red]not markup[/red]" in text


def test_a_terminal_with_no_color_set_gets_what_a_pipe_gets(monkeypatch):
    """https://no-color.org: present and not an empty string."""
    monkeypatch.setenv("NO_COLOR", "1")

    assert printed(Terminal()) == printed(io.StringIO())


def test_a_terminal_without_rich_gets_what_a_pipe_gets(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rich.console", None)

    assert printed(Terminal()) == printed(io.StringIO())


def test_json_is_one_document_and_nothing_else():
    stream = io.StringIO()
    out = Output(as_json=True, stream=stream)

    out.line("a word to people")
    out.table(["a"], [["b"]])
    out.document({"accepted": False})

    assert json.loads(stream.getvalue()) == {"accepted": False}


def test_a_table_without_rows_is_its_head():
    stream = io.StringIO()
    Output(stream=stream).table(["a", "b"], [])

    assert stream.getvalue() == "a  b\n"


def test_what_an_encoding_does_not_have_is_escaped():
    octets = io.BytesIO()
    out = Output(stream=io.TextIOWrapper(octets, encoding="ascii", write_through=True))

    out.line("né")

    assert octets.getvalue().split() == [b"n\\xe9"]


def test_a_json_document_is_ascii():
    """What came from a stranger may control a terminal (the C1 range, the direction of text)."""
    stream = io.StringIO()
    Output(as_json=True, stream=stream).document({"found": "\x9b\u202eé"})

    assert stream.getvalue().isascii()
    assert json.loads(stream.getvalue()) == {"found": "\x9b\u202eé"}
