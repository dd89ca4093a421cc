"""The issuer of tests: the one in memory, with trouble at will and time that can be moved on."""

import functools
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, ExitStack

from bearerguard.dev import issuer as in_memory
from bearerguard.dev.provider_shapes import SHAPES
from bearerguard.dev.shapes import Shape
from bearerguard.dev.signing_key import SigningKey
from bearerguard.jwks.fetch import Fetched, FetchError
from bearerguard.testing.environment import TEST_AUDIENCE, TEST_ISSUER

# An RSA key takes a tenth of a second to make: the tests of a process share the first of each kind.
first_key = functools.cache(SigningKey.generate)


class Clock:
    """The time as it is, moved on by as much as a test says. Gives seconds since 1970."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def __call__(self) -> float:
        """Give the time."""
        return time.time() + self._ahead_s

    def tick(self, seconds: float = 1.0) -> None:
        """Let that much time pass at once; ValueError for time that would run backwards."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._ahead_s += seconds


class Issuer(in_memory.Issuer):
    """An authorization server in memory, as :class:`bearerguard.dev.issuer.Issuer`, with trouble.

    ``down()`` and ``slow()`` hold until ``up()``, or for a block: ``with issuer.down(): ...``. What
    takes time takes simulated time: ``clock`` is that of every guard that trusts this issuer, and
    nobody sleeps. Without a ``key`` the tests of this process share their first one.
    """

    def __init__(
        self,
        url: str = TEST_ISSUER,
        *,
        audience: str = TEST_AUDIENCE,
        alg: str = "RS256",
        key: SigningKey | None = None,
        clock: Callable[[], float] | None = None,
        shape: Shape = SHAPES["rfc9068"],
    ) -> None:
        signs_with, runs = key or first_key(alg), clock or Clock()
        super().__init__(url, audience=audience, key=signs_with, clock=runs, shape=shape)
        self._delay_s = 0.0
        self._other_algorithms: list[str] = []

    def rotate(self, alg: str | None = None, *, keep: bool = True) -> SigningKey:
        """Sign with a new key from now on; without ``keep`` the old ones are withdrawn.

        Guards that take no signature of the newest key have a key of their own, which follows.
        """
        new = [SigningKey.generate(name) for name in (*self._other_algorithms, alg or self.key.alg)]
        self.keys = [*self.keys, *new] if keep else new
        return self.key

    def down(self) -> AbstractContextManager[object]:
        """Answer nothing any more, until ``up()`` or the end of the block."""
        self.is_down = True
        return self._until_up()

    def slow(self, seconds: float) -> AbstractContextManager[object]:
        """Take that long for each answer, of simulated time, until ``up()`` or the block's end.

        A guard waits no longer than its JWKS_TIMEOUT.
        """
        self._delay_s = seconds
        return self._until_up()

    def up(self) -> None:
        """Answer at once again."""
        self.is_down, self._delay_s = False, 0.0

    def key_for(self, algorithms: Collection[str]) -> SigningKey:
        """Give the newest key for one of the algorithms; one is made where there is none."""
        for key in reversed(self.keys):
            if key.alg in algorithms:
                return key
        key = first_key(min(algorithms))
        self._other_algorithms.append(key.alg)
        self.keys = [key, *self.keys]
        return key

    def fetch(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        max_bytes: int,
        form: Mapping[str, str] | None = None,
    ) -> Fetched:
        """Answer a guard's request, as a Fetcher does, after the time that it takes."""
        if self._delay_s:
            tick = getattr(self.clock, "tick", lambda _: None)
            tick(min(self._delay_s, timeout_s))
            if self._delay_s >= timeout_s:
                self.requests.append(url)
                raise FetchError(f"{url}: no answer within {timeout_s:.0f} s")
        return super().fetch(
            url, headers=headers, timeout_s=timeout_s, max_bytes=max_bytes, form=form
        )

    def _until_up(self) -> ExitStack:
        block = ExitStack()  # whoever needs no block lets it go
        block.callback(self.up)
        return block
