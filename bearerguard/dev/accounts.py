"""Who is registered at the local issuer: its clients and its users. No secret in here is one."""

import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import ClientMixin

from bearerguard.core.need import SCOPE_TOKEN
from bearerguard.core.urls import HOST_AND_PORT

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
LONGEST_SCOPE = 2000


@dataclass(frozen=True)
class Client(ClientMixin):
    """A registered client (RFC 6749 section 2). Without a secret it is a public one."""

    client_id: str
    use: str
    grant_types: tuple[str, ...] = ()
    secret: str | None = None
    endpoints: tuple[str, ...] = ("token", "revocation")

    def get_default_redirect_uri(self) -> None:
        """Give none: a request names its redirect URI."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Take every scope that is one (RFC 6749 section 3.3): a developer makes them up."""
        if scope is None:
            return ""
        names = scope.split(" ") if scope else []
        good = len(scope) <= LONGEST_SCOPE and all(SCOPE_TOKEN.fullmatch(name) for name in names)
        return " ".join(dict.fromkeys(names)) if good else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Take any place on this machine, whatever its port (RFC 8252 section 7.3)."""
        return is_on_loopback(redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        """Compare in constant time, as one does."""
        given, expected = client_secret.encode(), (self.secret or "").encode()
        return self.secret is not None and secrets.compare_digest(given, expected)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """A client with a secret has to show it."""
        return endpoint in self.endpoints and (method == "none") == (self.secret is None)

    def check_response_type(self, response_type: str) -> bool:
        """Codes are the only way in (RFC 9700 section 2.1.2)."""
        return response_type == "code" and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        """Tell whether it may get tokens in this way."""
        return grant_type in self.grant_types


@dataclass(frozen=True)
class User:
    """Somebody to log in as. ``roles`` go where the provider's tokens have theirs."""

    sub: str
    name: str
    roles: tuple[str, ...] = field(default=())

    @property
    def email(self) -> str:
        """An address that leads nowhere (RFC 2606 section 3)."""
        return f"{self.sub}@example.com"


APP = Client(
    "local-app",
    "authorization code with PKCE, refresh; any redirect URI on this machine",
    ("authorization_code", "refresh_token"),
)
SERVICE = Client(
    "local-service", "client credentials", ("client_credentials",), "local-service-secret"
)
API = Client("local-api", "introspection", (), "local-api-secret", ("introspection", "revocation"))
CLIENTS = {client.client_id: client for client in (APP, SERVICE, API)}
USERS = {
    user.sub: user
    for user in (
        User("alice", "Alice, a customer"),
        User("bob", "Bob, of the staff", ("staff",)),
        User("carol", "Carol, who may do everything", ("staff", "admin")),
    )
}


def is_on_loopback(url: str) -> bool:
    """Tell whether a URL leads to this machine and nowhere else, however a browser reads it."""
    if not url.isascii() or not url.isprintable() or set(url) & set(' "<>\\^`{|}#'):
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    is_plain = parts.scheme in ("http", "https") and "@" not in parts.netloc
    is_whole = HOST_AND_PORT.fullmatch(parts.netloc) is not None  # urlsplit cuts "[::1].evil"
    return is_plain and is_whole and parts.hostname in LOOPBACK
