"""Everything that can happen to a key cache within a number of events, and each promise after each.

Worlds that differ only in when they began, or in what has grown too old to matter, have the same
future: of those one is followed (:func:`abstract`). So a few ten thousand worlds stand for all
sequences of events up to the depth; :class:`Report` counts both.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bearerguard.core.key_set import Key

Event = tuple[str, Callable[[Any], object]]
Alphabet = Callable[[Any], Iterator[Event]]


@dataclass(frozen=True)
class Report:
    """How much was seen: different worlds, sequences of events, and the way to a broken promise."""

    worlds: int
    sequences: int
    broken: str | None = None
    way: tuple[str, ...] = ()


def explore(start: Any, alphabet: Alphabet, depth: int, most_worlds: int | None = None) -> Report:
    """Let every event of the alphabet happen in every world, ``depth`` times; stop at the first
    promise that is broken. ``most_worlds`` bounds what a mutant may cost.
    """
    level = {abstract(start): (start, 1, ())}
    seen, sequences = set(level), 0
    for _ in range(depth):
        following: dict[Any, tuple[Any, int, tuple[str, ...]]] = {}
        for world, ways, way in level.values():
            for name, event in alphabet(world):
                twin = world.copy()
                try:
                    event(twin)
                except AssertionError as error:
                    promise = getattr(error, "promise", repr(error))
                    return Report(len(seen), sequences, promise, (*way, name, str(error)))
                sequences += ways
                future = abstract(twin)
                if future in following:
                    known, count, first = following[future]
                    following[future] = (known, count + ways, first)
                else:
                    following[future] = (twin, ways, (*way, name))
        # A world met before has been followed for longer than is left for it now.
        level = {future: found for future, found in following.items() if future not in seen}
        seen |= level.keys()
        if most_worlds is not None and len(seen) > most_worlds:
            break
    return Report(len(seen), sequences)


def abstract(world: Any) -> tuple[Any, ...]:
    """What the future of a world depends on: times as distances from now, where they matter."""
    cache, now = world.cache, world.now
    taken, snapshot, flight = world.taken, cache.snapshot, cache.flight
    life_s = cache.ttl_s + cache.stale_for_s + 100

    def ago(at: float | None, most_s: float) -> float | None:
        return None if at is None else round(min(now - at, most_s), 3)

    def ahead(at: float) -> float:
        return round(max(at - now, 0.0), 3)

    return (
        taken and (taken.keys, ago(taken.asked_at, life_s), taken.is_shared),
        snapshot and (snapshot.keys.keys, ago(snapshot.fetched_at, life_s), snapshot.is_shared),
        snapshot and ago(snapshot.stale_until, 100),
        frozenset(world.lacked) if taken and now < taken.asked_at + 10 else None,
        frozenset(cache._missing._digests) if snapshot and now < snapshot.fetched_at + 10 else None,
        tuple(
            sorted(
                (
                    str(request.kid),
                    bool(request.tried),
                    ago(request.asked_at, 11),
                    bool(taken) and taken.number >= request.waited_for,
                    bool(snapshot) and snapshot.sequence >= request.waited_for,
                )
                for request in world.waiting
            )
        ),
        tuple(
            sorted(
                (attempt.outcome, attempt.anew, ago(attempt.began_at, 6))
                for attempt in world.attempts
                if attempt.outcome in {"under way", "hanging"}
            )
        ),
        flight and ago(flight.began_at, 100),
        len(cache.abandoned),
        round(world.spare(), 3),
        round(min(2, cache.budget.attempts_left + (now - cache.budget.counted_at) / 10), 3),
        ahead(world.rest_until),
        ahead(world.rested_at),
        ahead(cache.budget.blocked_until),
        ago(world.failed_at, 80),
        (cache.error is not None, ago(cache.failed_at, 80) if cache.error else None),
        world.told,
    )


def key(kid: str) -> Key:
    return Key(kid, frozenset({"RS256"}), kid, None)


OLD, NEW = (key("old"),), (key("new"),)


def requests(*kids: str | None) -> Alphabet:
    """Requests that arrive, one at a time with each key id, and those that go on after a wait."""

    def events(world: Any) -> Iterator[Event]:
        waiting = {request.kid for request in world.waiting}
        for kid in kids:
            if kid in waiting:
                continue
            if kid is None:
                tried = world.taken.keys if world.taken else ()
                yield "no kid, all tried", lambda w, tried=tried: w.ask(None, tried)
            else:
                yield f"ask {kid}", lambda w, kid=kid: w.ask(kid)
        for place, request in enumerate(world.waiting):
            attempts = {attempt.number: attempt for attempt in world.attempts}
            attempt = attempts.get(request.waited_for)
            if attempt is None or attempt.outcome != "under way":
                yield f"wake {request.kid}", lambda w, place=place: w.wake(place)

    return events


def passing(*seconds: float, to: Sequence[str] = ()) -> Alphabet:
    """Time that passes: some seconds, or up to a time of the present set."""

    def events(world: Any) -> Iterator[Event]:
        for pause_s in seconds:
            yield f"{pause_s} s", lambda w, pause_s=pause_s: w.tick(pause_s)
        if world.taken is None:
            return
        begin, ttl_s = world.taken.asked_at, world.cache.ttl_s
        end = begin + ttl_s + world.cache.stale_for_s
        times = {
            "refresh": begin + 0.8 * ttl_s,
            "almost old": begin + ttl_s - 1,
            "old": begin + ttl_s,
            "almost dead": end - 1,
            "dead": end,
        }
        for name in to:
            if times[name] > world.now:
                until_s = times[name] - world.now
                yield f"until {name}", lambda w, until_s=until_s: w.tick(until_s)

    return events


ANSWERS: dict[str, Callable[[Any, int], object]] = {
    "old": lambda world, number: world.answer(number, OLD),
    "new": lambda world, number: world.answer(number, NEW),
    "both": lambda world, number: world.answer(number, OLD + NEW),
    "empty": lambda world, number: world.answer(number, ()),
    "fails": lambda world, number: world.fail(number),
    "fails for 30 s": lambda world, number: world.fail(number, wish_s=30),
    "fails for a day": lambda world, number: world.fail(number, wish_s=86400),
    "neighbour's new": lambda world, number: world.answer(number, NEW, age_s=1),
    "neighbour's old": lambda world, number: world.answer(number, OLD, age_s=100),
}


def answers(*names: str) -> Alphabet:
    """How the fetch under way ends, or one that was given up comes back after all."""

    def events(world: Any) -> Iterator[Event]:
        for attempt in world.attempts:
            if attempt.outcome in {"under way", "hanging"}:
                for name in names:
                    if attempt.anew and name.startswith("neighbour"):
                        continue  # it does not ask one
                    how = ANSWERS[name]
                    number = attempt.number
                    late = "late " if attempt.outcome == "hanging" else ""
                    yield f"{late}{name}", lambda w, how=how, number=number: how(w, number)

    return events


def forks(world: Any) -> Iterator[Event]:
    """The process forks, and the child is followed."""
    flight = world.cache.flight
    # A failure that nobody has noticed is not known to the child, and its promises begin anew.
    if flight is None or world.now < flight.overdue_at:
        yield "fork", lambda w: w.fork()


def any_of(*alphabets: Alphabet) -> Alphabet:
    def events(world: Any) -> Iterator[Event]:
        for alphabet in alphabets:
            yield from alphabet(world)

    return events


# What is explored: each theme is an alphabet of its own, small enough to go deep.
THEMES: dict[str, Alphabet] = {
    "rotation": any_of(
        requests("old", "new"),
        passing(10, to=["refresh", "old"]),
        answers("old", "new"),
    ),
    "made-up keys": any_of(
        requests("old", "made up", "another"),
        passing(1, 10),
        answers("old", "fails"),
    ),
    "outage": any_of(
        requests("old", "new"),
        passing(76, to=["old", "almost dead", "dead"]),
        answers("both", "fails", "fails for 30 s", "empty"),
    ),
    "slowness": any_of(
        requests("old", "new"),
        passing(5, 10, to=["refresh", "old"]),
        answers("old", "new", "fails"),
    ),
    "neighbours": any_of(
        requests("new", "made up"),
        passing(10, to=["old"]),
        answers("old", "neighbour's new", "neighbour's old", "fails"),
        forks,
    ),
    "no kid": any_of(
        requests("old", None),
        passing(4, to=["refresh", "old"]),
        answers("old", "both", "fails for a day"),
    ),
}
