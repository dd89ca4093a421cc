"""Writes docs/reference/ out of the code: settings, answers, and what may be imported.

The answer and the hint on each page of docs/reasons/ are kept up as well. ``make docs`` runs it; tests
compare. Signatures are read from the source and not from the objects, so that every version of Python
writes the same.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

from bearerguard import Guard
from bearerguard.core.access import Access
from bearerguard.core.hints import HINTS
from bearerguard.core.needs import needs_of, step_up
from bearerguard.errors import REASONS, Kind, RejectedError, UnavailableError
from bearerguard.settings import About, Settings
from bearerguard.sources import FROM_FILE

FOLDER = Path(__file__).parents[2] / "docs/reference"
COMMAND = "make docs"
NOTE = f"<!-- Written by `{COMMAND}` out of the code: change that, and not this page. -->"

# What may be imported, module by module; a name is described where it stands first.
MODULES = {
    "bearerguard": "bearerguard",
    "bearerguard.errors": "Errors",
    "bearerguard.starlette": "Starlette",
    "bearerguard.fastapi": "FastAPI",
    "bearerguard.flask": "Flask",
    "bearerguard.asgi": "Any ASGI application",
    "bearerguard.wsgi": "Any WSGI application",
    "bearerguard.mcp": "MCP servers",
    "bearerguard.receiver": "Events of issuers",
    "bearerguard.events": "Events of the guard",
    "bearerguard.testing": "Tests",
}
# What is no class and no function, and so has no docstring of its own.
VALUES = {
    "authenticated": 'The need of any valid token, as in `rules={"*": authenticated}`.',
    "current_token": "The `AccessToken` of the request; falsy without one. It raises outside a request.",
    "REASONS": "Each reason for a refusal, with the status, the error and the text of its answer.",
    "BAD_TOKENS": "The recipes of `bad_tokens`, by name: functions of an `Issuer`.",
}
# For the adapters among themselves.
HOOKS = ("attach", "mark_for", "on_start", "forget_named")


def settings_page() -> str:
    """Describe each setting, from the one dataclass that is the source of them all."""
    known = [spec for spec in fields(Settings) if spec.metadata["parse"] is not None]
    later = [spec for spec in fields(Settings) if spec.metadata["parse"] is None]
    parts = [
        "# Settings",
        NOTE,
        "An argument wins over a Flask key, that over the environment, and that over the TOML file "
        "that `CONFIG` names. Durations are `30s`, `5m`, `1h` or seconds; lists are lists or comma "
        "text. Anything unknown, malformed or contradictory refuses the start, all problems in one "
        "message. An empty value is the same as none.",
        *(setting_section(spec) for spec in known),
    ]
    if later:
        names = ", ".join(f"`{spec.name.upper()}`" for spec in later)
        parts += ["## Still to come", f"Any value but the default refuses the start: {names}."]
    return "\n\n".join(parts) + "\n"


def setting_section(spec: Any) -> str:
    """Write where a setting may be given, its default, its meaning, and whom it is about."""
    name, about = spec.name, spec.metadata["about"]
    environment = f"`BEARERGUARD_{name.upper()}`"
    if name in FROM_FILE:
        environment += f", or `BEARERGUARD_{name.upper()}_FILE`"
    rows = [
        ("argument, key of the file", f"`{name}`"),
        ("environment, Flask key", "none" if about is About.MEMBER else environment),
        ("default", default_of(spec)),
        ("is about", about.value),
    ]
    table = "\n".join(f"| {label} | {value} |" for label, value in rows[1:])
    head = f"| {rows[0][0]} | {rows[0][1]} |\n|---|---|"
    meaning = spec.metadata["meaning"]
    return f"## {name.upper()}\n\n{meaning[0].upper()}{meaning[1:]}.\n\n{head}\n{table}"


def default_of(spec: Any) -> str:
    """Write a default as an operator would."""
    if spec.name in ("issuer", "audience"):
        return "none: it has to be set"
    if spec.default in (None, (), ""):
        return "not set"
    if isinstance(spec.default, bool):
        return "on" if spec.default else "off"
    if isinstance(spec.default, float):
        hours = spec.default / 3600
        return f"`{hours:g}h`" if hours >= 1 else f"`{spec.default:g}s`"
    return f"`{spec.default}`"


def answers_page() -> str:
    """Show what a caller gets, each answer as the code writes it."""
    settings = {"issuer": "https://login.example.com", "audience": "https://api.example.com"}
    guard = Guard(**settings, resource="https://api.example.com")
    need = needs_of(["payments:write", step_up(acr="mfa", max_age=300)])
    grouped: dict[Kind, list[str]] = {}
    for reason, kind in REASONS.items():
        grouped.setdefault(kind, []).append(reason)
    parts = [
        "# Answers",
        NOTE,
        "What a caller sees, in full, where a route needs the scope `payments:write` and a login by "
        "a second factor of the last five minutes, and `RESOURCE` is set. The texts are fixed: "
        "nothing out of a token ever stands in an answer, and all invalid tokens but the expired "
        "one look alike. The reason stands in the log ([refusals](../reasons/index.md)).",
    ]
    for kind, reasons in grouped.items():
        answer = guard.answer(RejectedError(reasons[0]), Access(need=need))
        parts += answer_section(title_of(kind), answer, reasons)
    unavailable = UnavailableError("", retry_after=10)
    answer = guard.answer(unavailable, Access(need=need))
    parts += answer_section(title_of(unavailable), answer, [unavailable.reason])
    return "\n\n".join(parts) + "\n"


def title_of(kind: Any) -> str:
    """Name an answer: the status, the error code, and what is particular to it."""
    if kind.error is None:
        return f"{kind.status} without an error"
    return f"{kind.status} {kind.error}: {kind.description}"


def answer_section(title: str, answer: Any, reasons: list[str]) -> list[str]:
    """Write the fields and the body, and the reasons that lead to them."""
    head = "\n".join(f"{name}: {value}" for name, value in answer.headers)
    links = ", ".join(f"[`{reason}`](../reasons/{reason}.md)" for reason in reasons)
    return [
        f"## {title}",
        f"```text\nHTTP/1.1 {answer.status}\n{head}\n\n{answer.body.decode()}\n```",
        f"Reasons: {links}.",
    ]


def reason_page(reason: str, text: str) -> str:
    """Give a page of docs/reasons/ the answer and the hint of the code; the rest is written by hand."""
    kind = REASONS.get(reason, UnavailableError)
    answer = f"{kind.status} `{kind.error}`: {kind.description}"
    if kind.error is None:
        answer = f"{kind.status}, a challenge and no error"
    head, _, body = re.sub(r"^\| hint in the log .*\n", "", text, flags=re.MULTILINE).partition(
        "\n## Likely causes"
    )
    head = re.sub(r"^\| answer .*$", lambda _: f"| answer | {answer} |", head, flags=re.MULTILINE)
    if reason in HINTS:
        hint = f"| hint in the log | {HINTS[reason]} |"
        head = re.sub(
            r"^(\| check .*\|)$", lambda row: f"{row[0]}\n{hint}", head, flags=re.MULTILINE
        )
    return f"{head}\n## Likely causes{body}"


def api_page() -> str:
    """Describe every public name by its docstring."""
    parts = ["# API", NOTE, "What may be imported. Everything else may change without notice."]
    described: set[int] = set()
    for name, title in MODULES.items():
        module = import_module(name)
        parts += [f"## {title}", f"`import {name}`"]
        again = []
        for public in public_names(module):
            value = getattr(module, public)
            if id(value) in described:
                again.append(f"`{public}`")
                continue
            described.add(id(value))
            parts += described_name(public, value)
        if again:
            parts.append(f"Here too: {', '.join(again)}.")
    return "\n\n".join(parts) + "\n"


def public_names(module: Any) -> list[str]:
    """Give ``__all__``, or the classes that a module itself defines."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]


def described_name(name: str, value: Any) -> Iterator[str]:
    """Write a name with its arguments, its docstring and, for a class, its public members."""
    if name in VALUES:
        yield f"### {name}"
        yield VALUES[name]
    if not isinstance(value, type) and not inspect.isroutine(value):
        return
    yield f"### {name}"
    yield f"```text\n{name}{arguments_of(value)}\n```"
    yield prose(inspect.getdoc(value) or "")
    if isinstance(value, type):
        for member in sorted(dir(value)):
            found = inspect.getattr_static(value, member)
            if not member.startswith("_") and member not in HOOKS and own_doc(found):
                inner = found.fget if isinstance(found, property) else found
                inner = getattr(inner, "__func__", inner)
                shown = "" if isinstance(found, property) else arguments_of(inner)
                yield f"**`.{member}{shown}`** {prose(inspect.getdoc(inner) or '')}"


def own_doc(found: Any) -> bool:
    """Tell whether this is a method or property of ours that says what it does."""
    inner = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
    module = getattr(inner, "__module__", None) or ""
    is_ours = module.startswith("bearerguard") and inspect.isfunction(inner)
    return is_ours and bool(inspect.getdoc(inner))


def arguments_of(value: Any) -> str:
    """Read the arguments, without types, from the source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(value)))).body[0]
    if isinstance(tree, ast.ClassDef):
        made = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
        if not made:
            named = [n for n in tree.body if isinstance(n, ast.AnnAssign)]
            return "(" + ", ".join(ast.unparse(n.target) for n in named) + ")" if named else ""
        tree = made[0]
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    every = tree.args
    for argument in [*every.posonlyargs, *every.args, *every.kwonlyargs, every.vararg, every.kwarg]:
        if argument is not None:
            argument.annotation = None
    written = re.sub(r"^(self|cls)(, /)?(, )?", "", ast.unparse(every))
    return f"({written})"


def prose(docstring: str) -> str:
    """Turn the roles and literals of a docstring into Markdown."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", docstring)
    text = text.replace("``", "`")
    text = re.sub(r"^Raises:\n((?:    .*\n?)+)", raises, text, flags=re.MULTILINE)
    return text.replace("<", "&lt;") if "<" in text and "`" not in text else text


def raises(found: re.Match[str]) -> str:
    """Write the section of errors as a list; a line that goes on is joined to the one before."""
    lines = re.sub(r"\n {8}", " ", textwrap.dedent(found[1]).strip().replace("\n    ", " "))
    listed = (line.partition(":") for line in lines.splitlines())
    return "Raises:\n\n" + "\n".join(f"- `{name}`:{why}" for name, _, why in listed)


PAGES = {"settings.md": settings_page, "answers.md": answers_page, "api.md": api_page}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for page, write in PAGES.items():
        (FOLDER / page).write_text(write(), "utf-8")
    for reason in (*REASONS, UnavailableError.reason):
        file = FOLDER.parent / f"reasons/{reason}.md"
        file.write_text(reason_page(reason, file.read_text("utf-8")), "utf-8")
