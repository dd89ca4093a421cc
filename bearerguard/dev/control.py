"""The control page's buttons for programs: JSON in and out, below ``/control``."""

from http import HTTPStatus
from typing import Any

import flask
from flask import request

from bearerguard.dev.broken import BAD_TOKENS
from bearerguard.dev.local_state import SLOWEST_S, LocalState
from bearerguard.dev.minting import LONGEST_TEXT, Wish

Answer = tuple[dict[str, Any], int]
OK = HTTPStatus.OK


class Control:
    """The views. A body is JSON by its media type, which no form of another site can have."""

    def __init__(self, app: flask.Flask, state: LocalState) -> None:
        self._state = state
        app.add_url_rule("/control/state", "control.state", self.state)
        app.add_url_rule("/control/bad-tokens", "control.bad_tokens", self.bad_tokens)
        for name in ("token", "rotate", "down", "slow"):
            view = getattr(self, name)
            app.add_url_rule(f"/control/{name}", f"control.{name}", view, methods=["POST"])

    def state(self) -> Answer:
        """Say how the issuer is doing, and what an API has to set for it."""
        issuer = self._state.issuer
        return {
            "issuer": issuer.url,
            "audience": issuer.audience,
            "profile": self._state.profile,
            "settings": self._state.settings,
            "keys": [key.kid for key in issuer.keys],
            "down": issuer.is_down,
            "slow": self._state.slow_s,
        }, OK

    def token(self) -> Answer:
        """Mint a token as :class:`Wish` describes it."""
        try:
            wish = Wish.of(_body())
        except ValueError as problem:
            return _bad(str(problem))
        return {"access_token": wish.mint(self._state.issuer)}, OK

    def bad_tokens(self) -> Answer:
        """Give every token that no API may take, by the name of what is wrong with it."""
        audience = request.args.get("audience") or self._state.issuer.audience
        if len(audience) > LONGEST_TEXT:
            return _bad(f"audience is a text of at most {LONGEST_TEXT} characters")
        issuer = self._state.issuer.with_claims(aud=audience)
        return {name: BAD_TOKENS[name](issuer) for name in self._state.ways_to_break}, OK

    def rotate(self) -> Answer:
        """Sign with a new key from now on; ``{"keep": false}`` withdraws the others."""
        keep = _body().get("keep", True)
        if not isinstance(keep, bool):
            return _bad("keep is true or false")
        self._state.rotate(keep=keep)
        return self.state()

    def down(self) -> Answer:
        """Answer nothing but 503, or answer again."""
        down = _body().get("down")
        if not isinstance(down, bool):
            return _bad('write {"down": true} or {"down": false}')
        self._state.issuer.is_down = down
        return self.state()

    def slow(self) -> Answer:
        """Take that many seconds for each answer; 0 is as fast as it goes."""
        seconds = _body().get("seconds")
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not is_number or not 0 <= seconds <= SLOWEST_S:
            return _bad(f"seconds is a number from 0 to {SLOWEST_S:g}")
        self._state.slow_s = float(seconds)
        return self.state()


def _body() -> dict[str, Any]:
    """Read the body; what is none is answered by Flask: 415 or 400. Nothing is an empty object."""
    if not request.get_data():
        return {}
    if request.mimetype != "application/json":
        flask.abort(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    try:
        body = request.get_json()
    except RecursionError:
        flask.abort(HTTPStatus.BAD_REQUEST)
    if not isinstance(body, dict):
        flask.abort(HTTPStatus.BAD_REQUEST)
    return body


def _bad(problem: str) -> Answer:
    return {"error": problem}, HTTPStatus.BAD_REQUEST
