"""The tokens of the HTTP part, signed before anything is measured."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bearerguard.testing import Issuer, SigningKey

from .load import Walk
from .tokens import AUDIENCE, ISSUER, issuer_of, token

# What every application answers with.
SUBJECT = "user-1"
# More than any guard here remembers, so that a token has been forgotten when its turn comes again.
DISTINCT = 6000
DISTINCT_QUICK = 200


@dataclass(frozen=True)
class Bearers:
    """Tokens, the files that the load reads, and the file of keys that the applications read.

    ``bad`` are tokens that every guard has to refuse, by what is wrong with them.
    """

    good: str
    bad: dict[str, str]
    known: Walk
    distinct: Walk
    jwks: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the applications are told: the names that bearerguard reads."""
        return {
            "BEARERGUARD_ISSUER": ISSUER,
            "BEARERGUARD_AUDIENCE": AUDIENCE,
            "BEARERGUARD_JWKS_FILE": str(self.jwks),
        }


@contextmanager
def bearers(*, quick: bool) -> Iterator[Bearers]:
    """Make a key and the tokens in a folder that lives as long as the block."""
    issuer = issuer_of()
    with TemporaryDirectory() as name:
        folder = Path(name)
        jwks = folder / "jwks.json"
        jwks.write_text(json.dumps(issuer.jwks()), encoding="utf-8")
        good = token(issuer, sub=SUBJECT)
        distinct = [
            token(issuer, sub=SUBJECT) for _ in range(DISTINCT_QUICK if quick else DISTINCT)
        ]
        yield Bearers(
            good=good,
            bad=_bad(issuer),
            known=Walk.of(folder / "known", [good]),
            distinct=Walk.of(folder / "distinct", distinct),
            jwks=jwks,
        )


def _bad(issuer: Issuer) -> dict[str, str]:
    header = {"kid": issuer.key.kid}
    return {
        "forged": token(issuer, key=SigningKey.generate(), header=header),
        "expired": token(issuer, exp=int(issuer.clock()) - 3600),
        "for another API": token(issuer, aud="https://elsewhere.example"),
        "of another issuer": token(issuer, iss="https://elsewhere.example"),
        "without the scope": token(issuer, scope="profile"),
    }
