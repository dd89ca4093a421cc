"""What a command prints: JSON for programs, text for people, tables and colour where they help.

Tables and colour are Rich's, of the extra ``cli``, and only on a terminal and without ``NO_COLOR``
(https://no-color.org). Otherwise the same words come as plain lines, so that they can be searched.
"""

import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

# What a style of ours is in Rich's words.
STYLES = {"good": "green", "bad": "bold red", "warning": "yellow", "quiet": "dim", "title": "bold"}


class Output:
    """Prints to one stream. With ``as_json`` a command prints one ``document`` and nothing else."""

    def __init__(self, *, as_json: bool = False, stream: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stream = stream or sys.stdout
        if isinstance(self._stream, io.TextIOWrapper):
            # What the terminal's encoding does not have must not end a command.
            self._stream.reconfigure(errors="backslashreplace")
        self._console = None if as_json else _console(self._stream)

    def document(self, content: Mapping[str, Any] | Sequence[Any]) -> None:
        """Print one JSON document, in ASCII: what came from a stranger may control a terminal."""
        print(json.dumps(content, indent=2), file=self._stream)

    def line(self, text: str = "", style: str | None = None) -> None:
        """Print a line; ``style`` is a key of STYLES. Nothing in the text is taken as markup."""
        if self.as_json:
            return
        if self._console is None:
            print(text, file=self._stream)
        else:
            look = STYLES[style] if style else None
            self._console.print(text, style=look, markup=False, highlight=False, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table: Rich's, or one line a row with two spaces between its cells."""
        if self.as_json:
            return
        if self._console is None:
            widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
            for row in (columns, *rows):
                padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                print("  ".join(padded).rstrip(), file=self._stream)
        else:
            self._console.print(_table(columns, rows))


def _console(stream: TextIO) -> "Console | None":
    if os.environ.get("NO_COLOR") or not stream.isatty():
        return None
    try:
        from rich.console import Console  # noqa: PLC0415  the extra may not be installed
    except ImportError:
        return None
    return Console(file=stream)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Any:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415  see _console
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(Text(column))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
