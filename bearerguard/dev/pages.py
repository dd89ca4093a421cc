"""The local issuer's pages: log in and consent; and one to control it.

Plain forms that work without scripts; the one script there is copies a token.
"""

import json
from http import HTTPStatus
from typing import Any

import flask
from authlib.oauth2 import OAuth2Error
from flask import render_template, request

from bearerguard.core.encoding import base64url_decode
from bearerguard.dev.accounts import CLIENTS, USERS
from bearerguard.dev.local_state import SLOWEST_S, LocalState
from bearerguard.dev.minting import LIFETIME_S, LONGEST_LIFETIME_S, Wish
from bearerguard.dev.oauth import Server

MEANINGS = {
    "openid": "know who you are",
    "profile": "read your name",
    "email": "read your e-mail address",
    "offline_access": "stay connected when you are away",
}
Answer = flask.typing.ResponseReturnValue


class Pages:
    """The views for people."""

    def __init__(self, app: flask.Flask, state: LocalState, server: Server) -> None:
        self._state, self._server = state, server
        app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
        add = app.add_url_rule
        add(f"{state.prefix}/authorize", "pages.authorize", self.authorize)
        add(f"{state.prefix}/authorize", "pages.decide", self.decide, methods=["POST"])
        add("/", "pages.control", self.control)
        for name in ("mint", "rotate", "down", "slow"):
            add(f"/{name}", f"pages.{name}", getattr(self, name), methods=["POST"])

    def authorize(self) -> Answer:
        """Ask who logs in and what the application may do (RFC 6749 section 4.1.1)."""
        try:
            grant = self._server.get_consent_grant()
        except (OAuth2Error, ValueError) as error:
            return self._refused(error)
        wanted = grant.request.payload.data
        return render_template(
            "consent.html",
            client=grant.request.client,
            redirect_uri=grant.redirect_uri,
            scopes=(grant.request.scope or "").split(),
            meanings=MEANINGS,
            users=USERS.values(),
            hint=wanted.get("login_hint") if wanted.get("login_hint") in USERS else "alice",
            acr=(wanted.get("acr_values") or "").split(" ")[0],
            resources=grant.request.resources,
            csrf=self._state.csrf,
        )

    def decide(self) -> Answer:
        """Send the browser back, with a code or without (RFC 6749 section 4.1.2)."""
        allowed = request.form.get("decision") == "allow"
        user = USERS.get(request.form.get("user", "")) if allowed else None
        try:
            grant = self._server.get_consent_grant(end_user=user or next(iter(USERS.values())))
            response: flask.Response = self._server.create_authorization_response(
                grant_user=user, grant=grant
            )
        except (OAuth2Error, ValueError) as error:
            return self._refused(error)
        return response

    def control(self, token: str | None = None, problem: str | None = None) -> Answer:
        """Show everything that can be seen and pressed."""
        page = render_template(
            "control.html",
            state=self._state,
            issuer=self._state.issuer,
            users=USERS.values(),
            clients=CLIENTS.values(),
            asked=request.form,
            lifetime=LIFETIME_S,
            longest=LONGEST_LIFETIME_S,
            slowest=SLOWEST_S,
            token=token,
            content=_content(token),
            problem=problem,
        )
        return page, HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK

    def mint(self) -> Answer:
        """Mint the token that the form asks for, and show it."""
        fields = ("sub", "scope", "audience", "lifetime", "acr", "broken")
        asked: dict[str, Any] = {name: request.form.get(name) or None for name in fields}
        try:
            if asked["lifetime"]:
                asked["lifetime"] = _whole_number(asked["lifetime"])
            token = Wish.of(asked).mint(self._state.issuer)
        except ValueError as problem:
            return self.control(problem=str(problem))
        return self.control(token=token)

    def rotate(self) -> Answer:
        """Sign with a new key; the old ones stay published if that is ticked."""
        self._state.rotate(keep="keep" in request.form)
        return _back()

    def down(self) -> Answer:
        """Go down, or come back."""
        self._state.issuer.is_down = request.form.get("down") == "yes"
        return _back()

    def slow(self) -> Answer:
        """Be as slow as asked."""
        try:
            seconds = _whole_number(request.form.get("seconds") or "0")
        except ValueError as problem:
            return self.control(problem=str(problem))
        if seconds > SLOWEST_S:
            return self.control(problem=f"at most {SLOWEST_S:g} seconds")
        self._state.slow_s = float(seconds)
        return _back()

    def _refused(self, error: Exception) -> Answer:
        """Tell the application where it is known to be there, else the person (section 4.1.2.1)."""
        if isinstance(error, OAuth2Error) and error.redirect_uri:
            response: flask.Response = self._server.handle_error_response(None, error)
            self._server.iss.add_issuer_parameter(self._server, response)
            return response
        told = getattr(error, "description", None) or "a parameter has characters that none may have"
        name = getattr(error, "error", "invalid_request")
        page = render_template("refused.html", error=name, told=told, clients=CLIENTS.values())
        return page, HTTPStatus.BAD_REQUEST


def _back() -> Answer:
    return flask.redirect("/", HTTPStatus.SEE_OTHER)


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):  # noqa: PLR2004  a billion
        raise ValueError(f"{text[:20]!r} is not a whole number of seconds")
    return int(text)


def _content(token: str | None) -> list[tuple[str, str]]:
    """Show what stands in a token; of one that is broken, what can be read."""
    content = []
    for name, part in zip(("Header", "Claims"), (token or "").split("."), strict=False):
        try:
            read = json.loads(base64url_decode(part.encode()))
        except ValueError:
            continue
        content.append((name, json.dumps(read, indent=2)[:4000]))
    return content
