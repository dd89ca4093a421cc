"""Which issuers may be asked about that no setting names one by one: exact names and templates.

``https://login.example/{tenant}/v2.0`` is a template with one hole, and a hole holds 1 to 64
letters, digits and hyphens: nothing with which a stranger could leave the place that the operator
gave him (no dot, slash, colon, "@" or "%"). A template must pin down whose server it is, so that
the last two labels of the host are always written out. Where strangers can register names below
two labels (``co.uk``, ``github.io``) that is not enough: write out one's own label too.

Templates and not regular expressions are the choice that could have gone otherwise: they say less,
and buy that an unescaped dot admits nobody and that no token can make a match take long.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bearerguard.core.urls import NUMBER, problem_of_issuer
from bearerguard.errors import ConfigurationError

HOLE = re.compile(r"\{([^{}]*)\}")
NAME_OF_A_HOLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# What a hole may hold.
FILLING = re.compile(r"[A-Za-z0-9-]{1,64}")
# RFC 3986 section 3.2: the authority ends at the first of these.
END_OF_AUTHORITY = re.compile(r"[/?#]")
# Below as many labels at the end of a host nobody but one owner can get a name, as a rule.
OWNED_LABELS = 2
LONGEST_SHOWN = 200


@dataclass(frozen=True)
class IssuerPatterns:
    """Exact names of issuers and templates of them. Without any it allows nobody."""

    exact: frozenset[str] = frozenset()
    # The literal texts of each template; between each two of them there is a hole.
    templates: tuple[tuple[str, ...], ...] = ()
    entries: tuple[str, ...] = ()

    @classmethod
    def of(cls, entries: Sequence[str], *, http_allowed: bool = False) -> "IssuerPatterns":
        """Read exact names and templates; ``http:`` is for loopback, or as allowed.

        Raises:
            ConfigurationError: naming every problem of every entry.
        """
        if not isinstance(entries, list | tuple) or not entries:
            raise ConfigurationError("issuers_allowed must be a list with at least one issuer")
        problems = [
            f"issuers_allowed: {repr(entry)[:LONGEST_SHOWN]} {problem}"
            for entry in entries
            for problem in problems_of_pattern(entry, http_allowed=http_allowed)
        ]
        if problems:
            raise ConfigurationError(*problems)
        texts = [tuple(HOLE.split(entry)[::2]) for entry in entries]
        return cls(
            frozenset(text[0] for text in texts if len(text) == 1),
            tuple(text for text in texts if len(text) > 1),
            tuple(entries),
        )

    def __bool__(self) -> bool:
        """Whether there is any issuer that could be allowed."""
        return bool(self.entries)

    def allows(self, issuer: str) -> bool:
        """Tell whether an entry fits the whole name, exactly as it stands."""
        return issuer in self.exact or any(_fits(texts, issuer) for texts in self.templates)


def _fits(texts: tuple[str, ...], issuer: str) -> bool:
    """Follow every way to fill the holes at once.

    A regular expression would try them one after another: 64 to the power of the number of holes,
    for a template like ``{a}-{b}-{c}`` and a name of hyphens. Here at most 64 ends a hole are
    followed at a time.
    """
    ends = {len(texts[0])} if issuer.startswith(texts[0]) else set()
    for text in texts[1:]:
        starts = {end for start in ends for end in _ends_of_hole(issuer, start)}
        ends = {start + len(text) for start in starts if issuer.startswith(text, start)}
    return len(issuer) in ends


def _ends_of_hole(issuer: str, start: int) -> range:
    filling = FILLING.match(issuer, start)
    return range(0) if filling is None else range(start + 1, filling.end() + 1)


def problems_of_pattern(entry: object, *, http_allowed: bool) -> list[str]:
    """Say everything that is wrong with an entry, as the rest of a sentence."""
    if not isinstance(entry, str):
        return ["is not text"]
    names = HOLE.findall(entry)
    filled = HOLE.sub("x", entry)
    if "{" in filled or "}" in filled:
        return ["has braces that do not pair, or one inside another"]
    problems = []
    if not all(NAME_OF_A_HOLE.fullmatch(name) for name in names):
        problems.append("has a hole without a name of letters, digits and '_'")
    if len(set(names)) < len(names):
        problems.append("has two holes of the same name")
    misplaced = _misplaced_hole(entry)
    if misplaced is not None:
        return [*problems, misplaced]
    problem = problem_of_issuer(filled, http_allowed=http_allowed)
    return problems if problem is None else [*problems, problem]


def _misplaced_hole(entry: str) -> str | None:
    """Say where a hole stands that leaves open whose server it is, or None."""
    # So that no name of a hole can be taken for a part of the URL.
    scheme, separator, rest = HOLE.sub("{}", entry).partition("://")
    if not separator:
        return None  # no URL at all, as problem_of_issuer says
    authority = END_OF_AUTHORITY.split(rest)[0]
    user, _, host_and_port = authority.rpartition("@")
    host, _, port = host_and_port.partition(":")
    # Dots at the end of a name say nothing: "https://{x}.com." is anybody, too.
    labels = [label for label in host.split(".") if label]
    if "{}" in scheme or "{}" in user or "{}" in port:
        return "has a hole in the scheme, the user name or the port"
    is_address = bool(labels) and NUMBER.fullmatch(labels[-1].lower()) is not None
    if "{}" in "".join(labels if is_address else labels[-OWNED_LABELS:]):
        return "has a hole in the last two labels of the host, or in an address: anybody could fit"
    return None
