"""The three steps of OAuth 2.0, as a program that serves nobody but itself goes them.

    bearerguard issuer                        # in one terminal
    python examples/three_steps/client.py     # in another

1. It sends the user's browser to the issuer, and waits at an address of this machine.
2. It exchanges the code that the browser brings back for a token.
3. It calls an API with the token. Here that is the issuer's own: userinfo.

Then it refreshes the token and calls again. Authlib's client does what a client has to do: the
state, PKCE, the form of each request. What it does not do is done here: who answered is compared
with who was asked (RFC 9207).
"""

import http.server
import secrets
import sys
import webbrowser
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx
from authlib.integrations.httpx_client import OAuth2Client

CLIENT_ID = "local-app"
SCOPE = "openid profile email orders:read"


class Callback(http.server.BaseHTTPRequestHandler):
    """Takes the one request by which the browser comes back."""

    def do_GET(self):
        self.server.came_back_with = f"{self.server.address}{self.path}"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"Done. You can close this window.\n")

    def log_message(self, *_):
        """The address has the code in it, which belongs in no log."""


def three_steps(issuer: str, open_browser: Callable[[str], object] = webbrowser.open) -> dict:
    """Go them, print each, and give what the API answered at the end."""
    with httpx.Client(trust_env=False) as plain:
        metadata = plain.get(f"{issuer}/.well-known/openid-configuration").json()
    assert metadata["issuer"] == issuer
    with (
        http.server.HTTPServer(("127.0.0.1", 0), Callback) as callback,
        OAuth2Client(
            CLIENT_ID,
            scope=SCOPE,
            redirect_uri=f"http://127.0.0.1:{callback.server_port}/callback",
            code_challenge_method="S256",
            token_endpoint_auth_method="none",
            trust_env=False,
        ) as client,
    ):
        callback.address = f"http://127.0.0.1:{callback.server_port}"
        callback.timeout = 300
        came_back = ask_for_consent(client, callback, metadata, open_browser)
        exchange(client, came_back, metadata)
        call(client, metadata)
        print("\nAfter a while: a new token for the refresh token (RFC 6749 section 6)")
        client.refresh_token(metadata["token_endpoint"])
        print(f"  lives for {client.token['expires_in']} s")
        return call(client, metadata)


def ask_for_consent(client, callback, metadata, open_browser) -> str:
    print("1. The authorization request (RFC 6749 section 4.1.1), in the browser")
    client.verifier = secrets.token_urlsafe(48)
    url, client.expected_state = client.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=client.verifier
    )
    print(f"  {url}")
    open_browser(url)
    callback.came_back_with = None
    callback.handle_request()
    assert callback.came_back_with, "nobody came back within five minutes"
    return callback.came_back_with


def exchange(client, came_back: str, metadata) -> None:
    print("\n2. The code for a token (RFC 6749 section 4.1.3)")
    answer = parse_qs(urlsplit(came_back).query)
    assert answer["iss"] == [metadata["issuer"]], "somebody else answered (RFC 9207)"
    if "error" in answer:
        sys.exit(f"  the answer is {answer['error'][0]}")
    client.fetch_token(
        metadata["token_endpoint"],
        authorization_response=came_back,
        state=client.expected_state,
        code_verifier=client.verifier,
    )
    print(f"  a {client.token['token_type']} token for {client.token['scope']}")


def call(client, metadata) -> dict:
    print("\n3. A call with the token (RFC 6750 section 2.1)")
    answer = client.get(metadata["userinfo_endpoint"])
    print(f"  {answer.status_code} {answer.text.strip()}")
    return answer.json()


if __name__ == "__main__":
    three_steps(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:9000")
