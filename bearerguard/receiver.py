"""Receives what an issuer has to say about its tokens, as one small ASGI or WSGI endpoint.

    events = EventReceiver(guard, audience="https://api.example.com/events")
    app = Starlette(routes=[Route("/events", events), ...])

It takes security event tokens (RFC 8935 push delivery: POST ``application/secevent+jwt``) and
OpenID Connect back-channel logout (POST of a form with ``logout_token``). It needs no bearer token,
so that its path has to be public: an event is signed by an issuer whose tokens the guard takes,
with the same keys, and is held to the same care.

What can come is limited: 64 KiB, read for ten seconds at most, and what no issuer has signed costs
no more than a token that no issuer has signed.
"""

import json
import logging
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
)
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from bearerguard.core.challenge import Answer
from bearerguard.core.security_event import (
    MOST_BYTES,
    SESSION_REVOKED,
    Read,
    Receiver,
    SecurityEvent,
    read_event,
    read_logout,
    read_set,
)
from bearerguard.drivers import adrive, drive
from bearerguard.errors import ConfigurationError, RejectedError, UnavailableError
from bearerguard.event_effects import aapply, apply
from bearerguard.guard import Guard
from bearerguard.jwks.waiting import await_within
from bearerguard.log import line, logger, short

Message = MutableMapping[str, Any]
SET_TYPE, FORM_TYPE = "application/secevent+jwt", "application/x-www-form-urlencoded"
PATIENCE_S = 10.0
# The specification knows one, and lets there be others.
MOST_FIELDS = 20
NO_STORE = (("Cache-Control", "no-store"),)
# RFC 8935 section 2.4; every other reason is an invalid request.
ERRORS = {
    "issuer_missing": "invalid_issuer",
    "issuer_mismatch": "invalid_issuer",
    "audience_mismatch": "invalid_audience",
    "key_unknown": "invalid_key",
    "key_unsuitable": "invalid_key",
    "signature_invalid": "invalid_key",
}


class EventReceiver:
    """Takes security events for a guard: an ASGI application; ``wsgi`` is one of the other kind.

    ``audience`` is what events name in ``aud``: what the stream was set up with, and for logout
    tokens the client ids; one or a list. ``critical_subject_members`` are those that the
    transmitter's metadata name (Shared Signals Framework 1.0 section 7.1).

    Raises:
        ConfigurationError: no audience.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        audience: str | Collection[str],
        critical_subject_members: Collection[str] = (),
    ) -> None:
        names = [audience] if isinstance(audience, str) else [*audience]
        if not names or not all(isinstance(name, str) and name for name in names):
            raise ConfigurationError(
                "EventReceiver has no audience: it names this receiver as the claim aud of its "
                "events does; write audience='https://api.example.com/events'"
            )
        self._guard = guard
        self._receiver = Receiver(frozenset(names), frozenset(critical_subject_members))

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await receive()  # the handshake
                await send({"type": "websocket.close", "code": 1008})
            return
        fields = [v.decode("latin-1") for n, v in scope["headers"] if n.lower() == b"content-type"]
        answer = _refusal_of_request(scope["method"], fields)
        if answer is None:
            answer = await self._take_body(fields[0], receive)
        headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one WSGI request."""
        fields = [environ["CONTENT_TYPE"]] if environ.get("CONTENT_TYPE") else []
        answer = _refusal_of_request(environ["REQUEST_METHOD"], fields)
        if answer is None:
            answer = self._take(fields[0], _body_of(environ))
        phrase = HTTPStatus(answer.status).phrase
        start_response(f"{answer.status} {phrase}", list(answer.headers))
        return [answer.body]

    async def _take_body(self, kind: str, receive: Callable[[], Awaitable[Message]]) -> Answer:
        try:
            body = await await_within(_read(receive), PATIENCE_S)
        except Exception:  # noqa: BLE001  too slow or gone, in the words of whichever loop runs
            body = None
        try:
            raw, read = _event_in(kind, body)
            flow = read_event(raw, read, self._guard.trust, self._receiver, self._guard.clock())
            issuers = self._guard.issuers
            event = await adrive(flow, issuers.answer_at_once, issuers.aanswer)
            await aapply(self._guard, event)
        except (RejectedError, UnavailableError) as error:
            return _refuse(error, kind)
        return _accept(event, kind)

    def _take(self, kind: str, body: bytes | None) -> Answer:
        try:
            raw, read = _event_in(kind, body)
            flow = read_event(raw, read, self._guard.trust, self._receiver, self._guard.clock())
            event = drive(flow, self._guard.issuers.answer)
            apply(self._guard, event)
        except (RejectedError, UnavailableError) as error:
            return _refuse(error, kind)
        return _accept(event, kind)


async def _read(receive: Callable[[], Awaitable[Message]]) -> bytes | None:
    """Read a body, or None for one that is too long or breaks off."""
    body, is_complete = bytearray(), False
    while not is_complete:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            return None
        is_complete = not message.get("more_body")
    return bytes(body)


def _body_of(environ: dict[str, Any]) -> bytes | None:
    """Read a body, or None for one that is too long or does not tell where it ends."""
    length = environ.get("CONTENT_LENGTH") or ""
    is_told = length.isascii() and length.isdecimal()
    if not is_told and not environ.get("wsgi.input_terminated"):
        return None
    limit = MOST_BYTES + 1
    body: bytes = environ["wsgi.input"].read(min(int(length[:9]), limit) if is_told else limit)
    return body if len(body) <= MOST_BYTES else None


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _refusal_of_request(method: str, content_types: list[str]) -> Answer | None:
    """Refuse what is no delivery, before its body is read."""
    if method != "POST":
        return Answer(405, (("Allow", "POST"), ("Content-Length", "0"), *NO_STORE), b"")
    if len(content_types) != 1 or _kind(content_types[0]) not in (SET_TYPE, FORM_TYPE):
        return _error("invalid_request", f"send {SET_TYPE}, or a form with logout_token", SET_TYPE)
    return None


def _event_in(content_type: str, body: bytes | None) -> tuple[str, Read]:
    """Find the token in a body.

    Source: RFC 8935 section 2.1; OpenID Connect Back-Channel Logout 1.0 section 2.5.
    """
    text = "" if body is None else body.decode("latin-1").strip()
    if _kind(content_type) == SET_TYPE:
        return text, read_set
    try:
        pairs = parse_qsl(text, max_num_fields=MOST_FIELDS)
    except ValueError:
        pairs = []
    found = [value for name, value in pairs if name == "logout_token"]
    if len(found) != 1:
        raise RejectedError("token_malformed", expected="one logout_token", found=len(found))
    return found[0], read_logout


def _accept(event: SecurityEvent, content_type: str) -> Answer:
    """RFC 8935 section 2.2 says 202, Back-Channel Logout section 2.8 says 200; without a body."""
    facts = {"issuer": event.issuer, "event": short(event.event_id), "kinds": short(event.kinds)}
    if SESSION_REVOKED in event.kinds and not event.revoked:
        _log(logging.WARNING, "event whose subject is not understood, nothing is revoked", facts)
    else:
        _log(logging.INFO, "event taken", facts)
    status = 202 if _kind(content_type) == SET_TYPE else 200
    return Answer(status, (("Content-Length", "0"), *NO_STORE), b"")


def _refuse(error: RejectedError | UnavailableError, content_type: str) -> Answer:
    if isinstance(error, UnavailableError):
        _log(logging.WARNING, "event put off", {"found": short(error.detail)})
        return Answer(
            error.status,
            (("Retry-After", str(error.retry_after)), ("Content-Length", "0"), *NO_STORE),
            b"",
        )
    facts = {"expected": short(error.expected), "found": short(error.found)}
    _log(logging.WARNING, "event refused", {"reason": error.reason, **facts})
    code = ERRORS.get(error.reason, "invalid_request")
    return _error(code, "The event is not valid for this receiver", content_type)


def _log(level: int, what: str, facts: Mapping[str, object]) -> None:
    logger.log(level, "%s: %s", what, line(facts), extra={"bearerguard": facts})


def _error(code: str, description: str, content_type: str) -> Answer:
    """Write a refusal in the words of RFC 8935 section 2.3, or in those of OAuth for a logout."""
    is_set = _kind(content_type) == SET_TYPE
    names = ("err", "description") if is_set else ("error", "error_description")
    code = code if is_set else "invalid_request"
    body = json.dumps(dict(zip(names, (code, description), strict=True))).encode()
    length = ("Content-Length", str(len(body)))
    return Answer(400, (("Content-Type", "application/json"), length, *NO_STORE), body)
