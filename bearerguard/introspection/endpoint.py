"""One question to an issuer about one token, and everything that can be wrong with the answer.

Source: RFC 7662 sections 2.1 to 2.3, RFC 8414 section 2, RFC 9701 section 4.

Only a 200 of the right kind, whole and within the limits, is an answer. Everything else is the
issuer's trouble, or ours with the issuer, and says nothing of the token.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from bearerguard.core.encoding import EncodingError, read_json_object
from bearerguard.core.key_set import Key
from bearerguard.core.policy import Policy
from bearerguard.core.queries import KeyQuery
from bearerguard.core.signed_answer import MEDIA_TYPE, read_signed_answer
from bearerguard.drivers import drive
from bearerguard.errors import UnavailableError
from bearerguard.forks import start_over_after_fork
from bearerguard.introspection.client_auth import ClientAuth
from bearerguard.jwks.fetch import MAX_BYTES as LARGEST_METADATA
from bearerguard.jwks.fetch import Fetched, Fetcher, FetchError, TooLargeError, time_left_s
from bearerguard.jwks.metadata import (
    METADATA_MAX_AGE_S,
    OK,
    found_url,
    issuer_metadata,
    media_type,
    unusable,
)

# Rich answers have a few kilobytes; a signed one is a third longer.
LARGEST_ANSWER = 64 * 1024
JSON = "application/json"
# RFC 7662 section 2.3: what the endpoint says of the credentials of this API.
OURS = frozenset({401, 403})
CLIENT_ERRORS = ("invalid_client", "unauthorized_client")
BAD_REQUEST = 400
GONE = frozenset({404, 410})
# After a failed look at the metadata the endpoint that is known serves on.
LOOK_AGAIN_AFTER_S = 60.0
# What the endpoint says of this one request, and so nothing of the next.
OF_THIS_REQUEST = frozenset({400, 413, 414, 422, 431})


class OddRequestError(FetchError):
    """The endpoint works, and refused to look at this very token."""


@dataclass(frozen=True)
class Place:
    """Where the endpoint is, how it wants to know who asks, and when that was found out."""

    url: str
    methods: frozenset[str] = frozenset()
    found_at: float = 0.0


@dataclass(eq=False)
class Endpoint:
    """The introspection endpoint of one issuer.

    ``url`` is set where the operator configured it; else it is discovered, and discovered again
    after a day or when it is gone, by one request at a time. ``keys`` gives the issuer's keys for a
    signed answer, and may block. ``clock`` gives the seconds of a monotonic clock, ``wall_clock``
    those since 1970.
    """

    policy: Policy
    client_id: str
    auth: ClientAuth
    fetcher: Fetcher
    keys: Callable[[KeyQuery], Sequence[Key]]
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    url: str | None = None
    is_signed: bool = False
    http_allowed: bool = False
    _found: Place | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.start_over()
        start_over_after_fork(self)

    def start_over(self) -> None:
        """Let somebody look for the endpoint: whoever did in the parent of a fork is not here."""
        self._looking = threading.Lock()

    def ask(self, raw: str, ends_at: float) -> bytes:
        """Ask about a token and give the members of the answer as JSON. This blocks.

        ``ends_at`` is by ``clock``.

        Raises:
            FetchError: no answer, or one that cannot be used; the message is for the operator.
            UnavailableError: the same of a signed answer.
        """
        place = self._place(ends_at)
        credentials = self.auth.credentials(place.methods)
        # RFC 7662 section 2.1: the hint is only one, and changes nothing of what may be answered.
        form = {"token": raw, "token_type_hint": "access_token", **credentials.form}
        accept = f"application/{MEDIA_TYPE}" if self.is_signed else JSON
        try:
            answer = self.fetcher.fetch(
                place.url,
                headers={"Accept": accept, **credentials.headers},
                timeout_s=time_left_s(place.url, ends_at, self.clock()),
                max_bytes=LARGEST_ANSWER,
                form=form,
            )
        except TooLargeError as error:
            raise OddRequestError(str(error)) from None
        if answer.status in GONE and self._found is place:
            self._found = None
        self._check(place.url, answer, accept)
        members = self._signed(answer) if self.is_signed else _plain(place.url, answer)
        return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()

    def _place(self, ends_at: float) -> Place:
        if self.url is not None:
            return Place(self.url)
        found, now = self._found, self.clock()
        if found is not None and not _is_old(found, now):
            return found
        # Whoever knows nothing waits for the one that looks, and after half its time no longer:
        # that one may never end.
        half_s = time_left_s(str(self.policy.issuer), ends_at, now) / 2
        looking = self._looking
        has_turn = looking.acquire(timeout=half_s if found is None else 0.0)
        try:
            return found if found is not None and not has_turn else self._looked_up(ends_at)
        finally:
            if has_turn:
                looking.release()

    def _looked_up(self, ends_at: float) -> Place:
        """Look where the endpoint is, unless somebody else has meanwhile."""
        found, now = self._found, self.clock()
        if found is not None and not _is_old(found, now):
            return found
        if found is not None:
            ends_at = (now + ends_at) / 2  # the other half is for the endpoint that is known
        try:
            self._found = place = self._discovered(ends_at, now)
        except FetchError:
            if found is None:
                raise
            # The endpoint may well be up while the metadata are not; they are asked for later.
            later = now - METADATA_MAX_AGE_S + LOOK_AGAIN_AFTER_S
            self._found = place = replace(found, found_at=later)
        return place

    def _discovered(self, ends_at: float, now: float) -> Place:
        """RFC 8414 section 2: the endpoint, and the ways to authenticate there."""
        issuer = str(self.policy.issuer)
        where, metadata = issuer_metadata(issuer, lambda url: self._get(url, ends_at))
        name, http_allowed = "introspection_endpoint", self.http_allowed
        url = found_url(where, metadata, name, issuer, http_allowed=http_allowed)
        named = metadata.get("introspection_endpoint_auth_methods_supported")
        methods = named if isinstance(named, list) else []
        return Place(url, frozenset(text for text in methods if isinstance(text, str)), now)

    def _get(self, url: str, ends_at: float) -> Fetched:
        left_s = time_left_s(url, ends_at, self.clock())
        return self.fetcher.fetch(url, headers={}, timeout_s=left_s, max_bytes=LARGEST_METADATA)

    def _check(self, url: str, answer: Fetched, accept: str) -> None:
        if answer.status in OURS or _blames_client(answer):
            raise FetchError(
                f"{url}: refused this API's own credentials ({answer.status}); compare "
                "introspection_client_id, its secret or key, and introspection_auth with what the "
                "issuer has registered, and whether this client may introspect",
                retry_after_s=answer.retry_after_s(),
            )
        if answer.status in OF_THIS_REQUEST:
            raise OddRequestError(str(unusable(url, answer)))
        if answer.status != OK or media_type(answer) != accept:
            hint = f"; {accept} was asked for" if answer.status == OK else ""
            problem = unusable(url, answer)
            raise FetchError(f"{problem}{hint}", retry_after_s=problem.retry_after_s)

    def _signed(self, answer: Fetched) -> Mapping[str, Any]:
        text = answer.body.decode("latin-1").strip()
        flow = read_signed_answer(
            text, self.policy, self.client_id, LARGEST_ANSWER, self.wall_clock()
        )
        return drive(flow, self.keys)


def _is_old(place: Place, now: float) -> bool:
    return now - place.found_at > METADATA_MAX_AGE_S


def _plain(url: str, answer: Fetched) -> Mapping[str, Any]:
    """Read an answer of the right kind; what is odd in it, this one token may have brought."""
    try:
        return read_json_object(answer.body)
    except EncodingError as error:
        raise OddRequestError(f"{url}: {error}") from None


def _blames_client(answer: Fetched) -> bool:
    """RFC 6749 section 5.2: a 400 can mean the credentials of whoever asks, too."""
    if answer.status != BAD_REQUEST or media_type(answer) != JSON:
        return False
    try:
        return read_json_object(answer.body).get("error") in CLIENT_ERRORS
    except EncodingError:
        return False


class Ask(Protocol):
    """Asks an issuer about a token, as :meth:`Endpoint.ask` does."""

    def __call__(self, raw: str, ends_at: float) -> bytes:
        """Ask, and give the members of the answer as JSON."""
        ...


@dataclass(frozen=True)
class Failure:
    """Why there is no answer, for the operator.

    ``is_of_this_request`` tells that the endpoint works; ``retry_after_s`` is its own wish.
    """

    detail: str
    retry_after_s: float | None = None
    is_of_this_request: bool = False


def ask_safely(ask: Ask, raw: str, ends_at: float) -> bytes | Failure:
    """Ask, whatever happens: those who wait must hear of it."""
    try:
        return ask(raw, ends_at)
    except FetchError as error:
        return Failure(str(error), error.retry_after_s, isinstance(error, OddRequestError))
    except UnavailableError as error:
        return Failure(error.detail)
    except BaseException as error:  # noqa: BLE001  what it says may quote the token
        return Failure(f"introspection failed: {type(error).__name__}")
