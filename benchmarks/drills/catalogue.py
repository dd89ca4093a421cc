"""All drills, in the order of the page, with the words that stand above their tables."""

from .drills import (
    COLD_REQUESTS,
    FLOOD,
    GOOD_EVERY,
    SETTLED_AGE_S,
    behind_a_bogus_one,
    cold_requests,
    event_loop_stall,
    outage,
    recovery,
    rotation,
    slow_failure,
    unknown_kids,
)
from .hostile import endless_drip, hostile_sets, kept_keys
from .stage import Drill

DRILLS = (
    Drill(
        "cold",
        f"{COLD_REQUESTS} requests at once, and no keys yet",
        f"""A fresh process is given {COLD_REQUESTS} good tokens at once, in as many threads, then
        (another process) in as many asyncio tasks. One fetch of the keys is enough for all. PyJWT
        and fastmcp are configured with the key endpoint's address and need no discovery.""",
        cold_requests,
    ),
    Drill(
        "flood",
        f"{FLOOD} tokens with {FLOOD} made-up key ids",
        f"""The keys are {SETTLED_AGE_S // 60} minutes old. {FLOOD} tokens arrive one after the
        other, each with a key id that does not exist, and after every {GOOD_EVERY} of them a good
        token; no simulated time passes. "Down" is 503 for every request, so that requests can be
        counted. Whether a made-up key id is refused or the answer is "unavailable" while nobody can
        ask the issuer is a matter of taste; the requests and the good tokens are not.""",
        unknown_kids,
    ),
    Drill(
        "stall",
        "The event loop while the key endpoint takes two seconds",
        """The first token of a fresh process, verified on the event loop beside a task that ticks
        each millisecond. The stall is the longest time between two ticks: nothing else on that loop
        gets on meanwhile. It is the median of three processes, with no other drill beside them.""",
        event_loop_stall,
        at_once=1,
    ),
    Drill(
        "outage",
        "A good token while the issuer is down",
        """A token is verified, then the issuer refuses connections. The same token is sent once a
        (simulated) minute; the table shows what became of it at four of them. Serving for ever is
        not the aim: the longer keys serve without the issuer, the longer a removed key lives.""",
        outage,
    ),
    Drill(
        "rotation",
        "A key comes, a key goes",
        """The issuer is up. Right after the first fetch it publishes a second key, and a token of
        that key is sent once a (simulated) second; the table shows when it is first accepted. In
        the second row 20 tokens with made-up key ids come each second as well, from a minute before
        the publication on. In the third row the second key replaces the first, and a token of the
        first is sent once a second until it is no longer accepted.""",
        rotation,
    ),
    Drill(
        "hostile",
        "Hostile answers to a process without keys",
        """A fresh process is given a good token, and the key endpoint answers as the row says: what
        the caller sees, after how long, and the memory that it took (the highest use during the
        request, less the use before). bearerguard loads its HTTP client at the first fetch, so its
        times and sizes hold that as well; the others load theirs at the start. Its limits are 512
        KiB and 100 keys, so that it does not take a good key out of a huge answer.""",
        hostile_sets,
    ),
    Drill(
        "kept",
        "Hostile answers to a process with keys",
        f"""The good key was fetched {SETTLED_AGE_S // 60} minutes before, then the endpoint turns
        hostile. A token with a made-up key id sets off a fetch where the contender makes one; the
        first word is what becomes of a good token right after it, the second of one a minute past
        the time after which the contender fetches anew (5 minutes for bearerguard and PyJWT, 10 for
        auth0-api-python, 60 for fastmcp, 180 for guardpost; never for Authlib's pattern).""",
        kept_keys,
    ),
    Drill(
        "drip",
        "A key endpoint that sends one byte a second, without end",
        """As in the two tables before.""",
        endless_drip,
        at_once=6,
    ),
    Drill(
        "behind",
        "A good token behind a bogus one",
        f"""The keys are {SETTLED_AGE_S // 60} minutes old, and the issuer accepts connections but
        does not answer any more. A token with a made-up key id sets off a fetch where the contender
        makes one ("no fetch" where not); while it hangs, a good token arrives.""",
        behind_a_bogus_one,
        at_once=6,
    ),
    Drill(
        "slow503",
        "Twenty requests at once on a slow 503",
        """A fresh process, twenty good tokens at once, and an issuer that takes a second to answer
        each request with 503.""",
        slow_failure,
        at_once=3,
    ),
    Drill(
        "recovery",
        "After an outage",
        """The issuer answers 503 for five minutes from the start of a process, with a good token
        each (simulated) second; and for four hours after it had been up, with a good token every 48
        seconds. Then it is up again, and a good token is sent each second. Who asks at each request
        notices at once; who waits between attempts asks an ailing issuer less, and notices later.
        bearerguard draws its pauses at random, up to a minute, and fastmcp's are 30 seconds: their
        numbers differ from run to run.""",
        recovery,
    ),
)
