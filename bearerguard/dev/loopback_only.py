"""Who may speak with the local issuer: programs and browsers of this machine, and no other site.

A site that a developer happens to visit can send requests to this machine. It cannot choose the
Host (against DNS rebinding), has another Origin, knows no form's token, and reads no answer.

Source: Fetch Standard (CORS), Content Security Policy Level 3.
"""

import time
from hmac import compare_digest
from http import HTTPStatus
from urllib.parse import urlsplit

import flask
from flask import request

from bearerguard.dev.accounts import is_on_loopback
from bearerguard.dev.local_state import LocalState, Seen

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; form-action {}; "
    "frame-ancestors 'none'; base-uri 'none'"
)
# What applications in a browser, Swagger UI for one, fetch for themselves.
FOR_BROWSERS = ("metadata", "jwks", "token", "userinfo", "revoke")
ALLOWED_HEADERS = "Authorization, Content-Type, X-Requested-With"  # Swagger UI sends the last one
# What the outage and the slowness are about: the issuer, and not the page that ends them.
BY_ITSELF = ("pages", "control", "static")


class LoopbackOnly:
    """Stands before and behind every view of an application."""

    def __init__(self, app: flask.Flask, state: LocalState) -> None:
        self._state = state
        app.before_request(self.let_in)
        app.before_request(self.misbehave)
        app.after_request(self.protect)
        app.after_request(self.write_down)

    def let_in(self) -> flask.typing.ResponseReturnValue | None:
        """Refuse whoever is not of this machine."""
        if request.host not in self._state.hosts:
            text = f"The local issuer is {self._state.origin}, and answers to no other name.\n"
            return flask.Response(text, HTTPStatus.MISDIRECTED_REQUEST, mimetype="text/plain")
        origin = request.headers.get("Origin")
        if origin is not None and not self._may_send(origin):
            return _forbidden("The local issuer takes requests of pages on this machine only.\n")
        if _kind() == "control" and request.headers.get("Sec-Fetch-Site") == "cross-site":
            return _forbidden("The local issuer takes requests of pages on this machine only.\n")
        is_form = request.method == "POST" and _kind() == "pages"
        if is_form and not compare_digest(request.form.get("csrf", "").encode(), self._csrf):
            return _forbidden("The form is not of this page, or of one before a restart: reload.\n")
        if request.method == "OPTIONS" and _name() in FOR_BROWSERS:
            return flask.Response(status=HTTPStatus.NO_CONTENT)
        return None

    @property
    def _csrf(self) -> bytes:
        return self._state.csrf.encode()

    def _may_send(self, origin: str) -> bool:
        if _name() in FOR_BROWSERS:
            return is_on_loopback(origin)
        return urlsplit(origin).scheme == "http" and origin[len("http://") :] in self._state.hosts

    def misbehave(self) -> flask.typing.ResponseReturnValue | None:
        """Be down or slow, where somebody pressed the button."""
        if _kind() in BY_ITSELF and _name() != "authorize":
            return None
        if self._state.slow_s:
            time.sleep(self._state.slow_s)
        if self._state.issuer.is_down:
            text = "The local issuer is down, because somebody asked for it.\n"
            return flask.Response(text, HTTPStatus.SERVICE_UNAVAILABLE, mimetype="text/plain")
        return None

    def protect(self, response: flask.Response) -> flask.Response:
        """Say what a browser may do with the answer."""
        headers = response.headers
        # Browsers follow the redirect of a form only to where the policy lets forms go.
        target = "'self' http: https:" if _name() == "authorize" else "'self'"
        headers["Content-Security-Policy"] = POLICY.format(target)
        headers["X-Content-Type-Options"] = "nosniff"
        # Not "no-referrer": then browsers send "Origin: null" with our own forms.
        headers["Referrer-Policy"] = "same-origin"
        headers.setdefault("Cache-Control", "no-store")
        origin = request.headers.get("Origin", "")
        if _name() in FOR_BROWSERS:
            headers["Vary"] = "Origin"
            if is_on_loopback(origin):
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
                headers["Access-Control-Expose-Headers"] = "WWW-Authenticate"
        return response

    def write_down(self, response: flask.Response) -> flask.Response:
        """Remember that it was asked, for the control page."""
        if _kind() not in BY_ITSELF or _name() == "authorize":
            now, path = self._state.issuer.clock(), request.path[:200]
            self._state.seen.append(Seen(now, request.method, path, response.status_code))
        return response


def _kind() -> str:
    return (request.endpoint or "").partition(".")[0]


def _name() -> str:
    return (request.endpoint or "").rpartition(".")[2]


def _forbidden(text: str) -> flask.Response:
    return flask.Response(text, HTTPStatus.FORBIDDEN, mimetype="text/plain")
