"""The drills: each takes a contender through one situation and gives the rows of its table.

A drill is a function of :class:`Stage` that gives a cell for each of its rows. What a caller sees
is one of "accepted", "refused" (as a bad token), "unavailable" (the library says that the issuer is
at fault), the name of an exception of another kind, or no answer by the deadline.
"""

import statistics
from typing import Any

from .arena import HANG, Arena, counted, seconds
from .issuer import DOWN, HANGS, Reply
from .stage import Rows, Stage

COLD_REQUESTS = 100
FLOOD = 300
GOOD_EVERY = 10
# Old enough that a fetch for an unknown key id is no news to any contender's cool-down, and young
# enough that no key set has to be fetched for its age.
SETTLED_AGE_S = 180
LONGEST_WAIT_S = 4 * 3600
# Made-up key ids a second, for how long before the new key is published, and after it.
NOISE = 20
NOISE_FIRST_S = 60
NOISE_AT_MOST_S = 15 * 60
NO_WAY = "no such API"


def cold_requests(stage: Stage) -> Rows:
    """Many requests at once find no key."""
    rows: Rows = {}
    for mode in ("threads", "tasks"):
        if mode not in stage.player.modes:
            rows |= dict.fromkeys(_cold_rows(mode), NO_WAY)
            continue
        with stage.arena() as a:
            answers = a.storm([a.issuer.token() for _ in range(COLD_REQUESTS)], mode)
            fetched = a.issuer.fetched()
        values = (*map(str, fetched), counted([outcome for outcome, _ in answers]))
        rows |= dict(zip(_cold_rows(mode), values, strict=True))
    return rows


def _cold_rows(mode: str) -> tuple[str, str, str]:
    return f"{mode}: discovery requests", f"{mode}: key requests", f"{mode}: answers"


def unknown_kids(stage: Stage) -> Rows:
    """A flood of tokens with made-up key ids, and a good token now and then."""
    rows: Rows = {}
    for state in ("up", "down"):
        with stage.arena() as a:
            good = a.warm()
            a.advance(SETTLED_AGE_S)
            if state == "down":
                a.issuer.fail(DOWN)
            made_up = [a.issuer.token(kid=f"made-up-{number}") for number in range(FLOOD)]
            tokens = [
                token
                for start in range(0, FLOOD, GOOD_EVERY)
                for token in (*made_up[start : start + GOOD_EVERY], good)
            ]
            outcomes = a.sequence(tokens)
            fetched = sum(a.issuer.fetched())
        good_ones = outcomes[GOOD_EVERY :: GOOD_EVERY + 1]
        del outcomes[GOOD_EVERY :: GOOD_EVERY + 1]
        rows[f"issuer {state}: requests to it"] = str(fetched)
        rows[f"issuer {state}: made-up key ids"] = counted(outcomes)
        rows[f"issuer {state}: good tokens in between"] = counted(good_ones)
    return rows


def event_loop_stall(stage: Stage) -> Rows:
    """The very first fetch of a process, from an endpoint that takes two seconds."""
    pauses, last = [], ""
    for _ in range(stage.repeats):
        with stage.arena() as a:
            a.issuer.jwks = Reply(a.issuer.jwks.body, delay_s=stage.slow_s)
            got = a.ask("stall", token=a.issuer.token())
        if "hang" in got:
            return {"longest stall": HANG, "answer": HANG}
        pauses.append(got["longest_s"])
        last = f"{got['outcome']} after {seconds(got['seconds'])}"
    return {"longest stall": seconds(statistics.median(pauses)), "answer": last}


def outage(
    stage: Stage, minutes: tuple[int, ...] = (6, 11, 60, 120), every_minutes: int = 1
) -> Rows:
    """A good token every minute, and the issuer refuses connections from the start on."""
    rows: Rows = {}
    with stage.arena() as a:
        good = a.warm()
        a.issuer.refuse()
        for minute in range(every_minutes, max(minutes) + 1, every_minutes):
            a.advance(60 * every_minutes)
            outcome, took_s = a.verify(good)
            if minute in minutes:
                rows[f"after {minute} minutes"] = f"{outcome} ({seconds(took_s)})"
    return rows


def rotation(stage: Stage) -> Rows:
    """A token a second, while keys come and go."""
    return {
        "new key accepted after": _until_new_key(stage),
        f"new key accepted after, with {NOISE} made-up key ids a second": (
            _until_new_key_in_noise(stage)
        ),
        "removed key refused after": _until_removed(stage),
    }


def _until_new_key(stage: Stage) -> str:
    with stage.arena() as a:
        a.warm()
        a.issuer.publish(stage.keys.first, stage.keys.second)
        token = a.issuer.token(key=stage.keys.second)
        return _when(a.traffic(token, step_s=1, most=LONGEST_WAIT_S, until="accepted"))


def _until_new_key_in_noise(stage: Stage) -> str:
    """Made-up key ids come before the new key, so that it finds every budget spent."""
    with stage.arena() as a:
        a.warm()
        for second in range(1, NOISE_FIRST_S + 1):
            _second_of_noise(a, second)
        a.issuer.publish(stage.keys.first, stage.keys.second)
        token = a.issuer.token(key=stage.keys.second)
        for second in range(1, NOISE_AT_MOST_S + 1):
            if _second_of_noise(a, NOISE_FIRST_S + second, token) == "accepted":
                return simulated(second)
    return f"not within {simulated(NOISE_AT_MOST_S)}"


def _second_of_noise(a: Arena, second: int, *last: str) -> str:
    a.advance(1)
    made_up = [a.issuer.token(kid=f"made-up-{second}-{number}") for number in range(NOISE)]
    return a.sequence([*made_up, *last])[-1]


def _until_removed(stage: Stage) -> str:
    with stage.arena() as a:
        token = a.warm()
        a.issuer.publish(stage.keys.second)
        return _when(a.traffic(token, step_s=1, most=LONGEST_WAIT_S, unless="accepted"))


def behind_a_bogus_one(stage: Stage) -> Rows:
    """A good token whose key is there, while a made-up key id has set off a fetch that hangs."""
    rows: Rows = {}
    for mode in ("threads", "tasks"):
        row = f"{mode}: the good token"
        if mode not in stage.player.modes:
            rows[row] = NO_WAY
            continue
        with stage.arena() as a:
            good = a.warm()
            a.advance(SETTLED_AGE_S)
            a.issuer.fail(HANGS)
            a.ask("begin", token=a.issuer.token(kid="made-up"), mode=mode)
            was_fetched = a.issuer.wait_for_request(2.0)
            outcome, took_s = a.verify(good, mode)
        note = "" if was_fetched else " (no fetch)"
        rows[row] = outcome if outcome == HANG else f"{outcome} after {seconds(took_s)}{note}"
    return rows


def slow_failure(stage: Stage) -> Rows:
    """Twenty requests at once find no key, and the issuer takes a second to say 503."""
    rows: Rows = {}
    for mode in ("threads", "tasks"):
        names = [f"{mode}: requests to the issuer", f"{mode}: last answer", f"{mode}: answers"]
        if mode not in stage.player.modes:
            rows |= dict.fromkeys(names, NO_WAY)
            continue
        with stage.arena() as a:
            a.issuer.fail(Reply(status=503, delay_s=1.0))
            answers = a.storm([a.issuer.token() for _ in range(20)], mode)
            fetched = sum(a.issuer.fetched())
        last = seconds(max(took_s for _, took_s in answers))
        values = [str(fetched), last, counted([outcome for outcome, _ in answers])]
        rows |= dict(zip(names, values, strict=True))
    return rows


def recovery(stage: Stage) -> Rows:
    """A good token a second, from the start of an outage until it is accepted again."""
    rows: Rows = {}
    for name, warm_first, outage_s in (
        ("down at the start for 5 min", False, 300),
        ("down for 4 h, up before", True, LONGEST_WAIT_S),
    ):
        with stage.arena() as a:
            good = a.warm() if warm_first else a.issuer.token()
            a.issuer.fail(DOWN)
            step_s = outage_s // 300
            seen = a.traffic(good, step_s=step_s, most=300, until="hang")
            fetched = sum(a.issuer.fetched())
            a.issuer.publish(stage.keys.first)
            back = a.traffic(good, step_s=1, most=600, until="accepted")
        outcomes = seen.get("outcomes", {HANG: 1})
        rows[f"{name}: answers"] = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.items())
        rows[f"{name}: requests to the issuer"] = str(fetched)
        rows[f"{name}: accepted again after"] = _when(back, "10 min")
    return rows


def simulated(value: float) -> str:
    """Write simulated seconds."""
    return f"{value:.0f} s" if value < 600 else f"{value / 60:.0f} min"


def _when(got: dict[str, Any], limit: str = "4 h") -> str:
    if "hang" in got:
        return HANG
    return f"not within {limit}" if got["simulated_s"] is None else simulated(got["simulated_s"])
