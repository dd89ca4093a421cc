"""The named bad tokens, as bad as their names say for one guard, and otherwise good for it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from bearerguard.core.policy import Policy
from bearerguard.testing.broken import BAD_TOKENS
from bearerguard.testing.written_for import WrittenFor

Headers = dict[str, str]

# A secret has no public half, and nobody sends one along.
NOT_WITH_A_SECRET = {"signed_with_the_public_key", "own_key_in_header", "unknown_key"}


def good_names(policy: Policy, *, has_secret: bool = False) -> set[str]:
    """Name what is no defect where these rules hold."""
    profile = policy.profile
    names = set(NOT_WITH_A_SECRET) if has_secret else set()
    if "sub" not in profile.required_claims:
        names.add("without_subject")
    if profile.missing_audience != "refuse":
        names.add("without_audience")
    if profile.takes_id_tokens:
        names.add("id_token_for_this_api")
    return names


def bad_token(name: str, issuer: WrittenFor) -> str:
    """Make a bad token; KeyError for a name that is none."""
    recipe = BAD_TOKENS[name]
    if name == "oversized":
        return issuer.token(filler="x" * issuer.policy.max_bytes)
    if name == "forged" and isinstance(issuer.key.private_key, bytes):
        other = replace(issuer.key, private_key=b"other" + issuer.key.private_key)
        return issuer.token(key=other)
    return recipe(issuer)


class BadTokens(Mapping[str, Headers]):
    """The headers of requests that no guard here may admit, by the name of the defect.

    Made when they are asked for, so that they are for the application that is there by then.
    """

    def __init__(self, names: Callable[[], list[str]], make: Callable[[str], Headers]) -> None:
        self._names = names
        self._make = make

    def __getitem__(self, name: str) -> Headers:
        if name not in self._names():
            raise KeyError(name)
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())
