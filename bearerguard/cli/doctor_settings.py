"""What is wrong with the settings, and what to write instead."""

import re
from collections.abc import Iterator, Sequence

from bearerguard.cli.findings import Finding, problem, set_to

SETTINGS = "settings"
HTTP = re.compile(r"(?:BEARERGUARD_)?(\w+)='http(://[^']*)' ")
ADDRESS = re.compile(r"(?:BEARERGUARD_)?ISSUER='(.*)/\.well-known/[^/']+(.*)' ", re.IGNORECASE)
MEANT = re.compile(r"did you mean (\w+)\?")
VALUE_MEANT = re.compile(r"(?:BEARERGUARD_)?(\w+)=.*; did you mean '([^']+)'\?", re.DOTALL)
FORM = re.compile(r"(?:(BEARERGUARD_\w+)|(\w+))=.* must (be .*)", re.DOTALL)
UNREADABLE = re.compile(r"(\w*_FILE)=.* cannot be read")


def findings_of(problems: Sequence[str]) -> Iterator[Finding]:
    """Split each problem of a ConfigurationError into its cause and what to write."""
    for text in problems:
        cause, _, remedy = text.partition("; ")
        yield problem(SETTINGS, cause, _exact(cause) or _meant(text) or remedy or LOOK)


LOOK = "write what docs/reference/settings.md says of it"


def _exact(cause: str) -> str | None:
    """Give the value itself where it can be told."""
    is_http = HTTP.match(cause)
    if is_http is not None and "does not begin with https://" in cause:
        name, rest = is_http.groups()
        return f"{set_to(name.upper(), f'https{rest}')}: http is for this very machine alone"
    address = ADDRESS.match(cause)
    if address is not None and cause.endswith("is the address of metadata"):
        return f"{set_to('ISSUER', ''.join(address.groups()))}: what is asked for follows from that"
    unreadable = UNREADABLE.match(cause)
    if unreadable is not None:
        return f"set {unreadable[1]} to a file that is there and that this user may read"
    form = FORM.match(cause)
    return None if form is None else f"{form[1] or form[2]} must {form[3]}"


def _meant(text: str) -> str | None:
    """Give the name or the value that was probably meant."""
    value = VALUE_MEANT.match(text)
    if value is not None:
        return set_to(value[1].upper(), value[2])
    name = MEANT.search(text)
    return None if name is None else f"rename it to {name[1]}"
