"""The local issuer without a socket: Flask's test client at the address that the issuer has."""

import hashlib
import re
from base64 import urlsafe_b64encode
from urllib.parse import parse_qs, urlsplit

import pytest

from bearerguard.dev.issuer import Issuer
from bearerguard.dev.local_issuer import local_app
from bearerguard.dev.local_state import LocalState
from bearerguard.dev.provider_shapes import SHAPES

URL = "http://127.0.0.1:9000"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636 appendix B
CALLBACK = "http://127.0.0.1:4567/callback"


class Visitor:
    """A client and a browser at once."""

    def __init__(self, state):
        self.state, self.issuer = state, state.issuer
        self.app = local_app(state)
        self.app.testing = False  # so that a mistake is a 500 here, too
        self.web = self.app.test_client()

    def get(self, path, **more):
        return self.web.get(path, base_url=URL, buffered=True, **more)

    def post(self, path, **more):
        return self.web.post(path, base_url=URL, **more)

    def press(self, path, **form):
        return self.post(path, data={"csrf": self.state.csrf, **form})

    def control(self, name, body=None, **more):
        return self.post(f"/control/{name}", json={} if body is None else body, **more)

    def request(self, **changes):
        challenge = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
        request = {
            "response_type": "code",
            "client_id": "local-app",
            "redirect_uri": CALLBACK,
            "scope": "openid orders:read",
            "state": "s",
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in request.items() if value is not None}

    def authorize(self, **changes):
        return self.get("/authorize", query_string=self.request(**changes))

    def consent(self, user="alice", decision="allow", granted=None, more="", **changes):
        """Give what the browser brings back."""
        request = self.request(**changes)
        ticked = request.get("scope", "").split() if granted is None else granted
        form = {
            "csrf": self.state.csrf,
            "user": user,
            "decision": decision,
            "granted": ticked,
            "more": more,
        }
        answer = self.post("/authorize", query_string=request, data=form)
        assert answer.status_code == 302, answer.text
        query = parse_qs(urlsplit(answer.location).query)
        return {name: value[0] for name, value in query.items()}

    def exchange(self, code, **changes):
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": "local-app",
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            **changes,
        }
        return self.post("/token", data=form)

    def refresh(self, token, **changes):
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "local-app"}
        return self.post("/token", data=form | changes)

    def tokens(self, **changes):
        return self.exchange(self.consent(**changes)["code"]).json

    def introspect(self, token):
        return self.post(
            "/introspect", data={"token": token}, auth=("local-api", "local-api-secret")
        )

    def userinfo(self, token):
        return self.get("/userinfo", headers={"Authorization": f"Bearer {token}"})

    def csrf_of(self, page):
        return re.search(r'name="csrf" value="([^"]+)"', page.text)[1]


@pytest.fixture
def visitor(keys, clock):
    return Visitor(LocalState(Issuer(URL, key=keys("ES256"), clock=clock)))


@pytest.fixture
def visitor_of(keys, clock):
    """A visitor of an issuer with another shape."""

    def made(profile):
        shape = SHAPES[profile]
        issuer = Issuer(URL + shape.path, key=keys("ES256"), clock=clock, shape=shape)
        return Visitor(LocalState(issuer, profile))

    return made
