"""What the local issuer has given out: codes and tokens, in memory, bounded, forgotten at its end."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import TokenMixin
from authlib.oidc.core import AuthorizationCodeMixin
from cachetools import LRUCache, TTLCache

from bearerguard.dev.accounts import CLIENTS, Client, User

MOST = 1000
CODE_LIFETIME_S = 60
REFRESH_LIFETIME_S = 24 * 3600


@dataclass(frozen=True)
class Code(AuthorizationCodeMixin):
    """An authorization code, and what was agreed when it was given (RFC 6749 section 4.1.2)."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str
    code_challenge: str
    code_challenge_method: str
    user: User
    resources: tuple[str, ...]
    nonce: str | None
    auth_time: int
    acr: str | None

    def get_redirect_uri(self) -> str:
        """Give the redirect URI that the token request has to repeat."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Give what the user allowed."""
        return self.scope


@dataclass
class Issued(TokenMixin):
    """An access token, the refresh token beside it, and what both are worth.

    ``family`` is what all tokens of one consent have in common (RFC 9700 section 4.14.2).
    """

    access_token: str
    claims: dict[str, Any]
    client_id: str
    user: User | None
    scope: str
    resources: tuple[str, ...]
    family: str
    clock: Callable[[], float]
    refresh_token: str | None = None
    acr: str | None = None
    auth_time: int | None = None
    is_access_revoked: bool = False
    is_refresh_revoked: bool = False

    def check_client(self, client: Client) -> bool:
        """Tell whether it was given to this client."""
        return self.client_id == client.client_id

    def get_scope(self) -> str:
        """Give the scopes, separated by spaces."""
        return self.scope

    def get_expires_in(self) -> int:
        """Give the seconds until it expires."""
        return int(self.claims["exp"] - self.clock())

    def is_expired(self) -> bool:
        """Tell whether the access token is past its time."""
        return bool(self.claims["exp"] <= self.clock())

    def is_revoked(self) -> bool:
        """Tell whether somebody revoked the access token."""
        return self.is_access_revoked

    def get_user(self) -> User | None:
        """Give whom it speaks for; nobody when a client speaks for itself."""
        return self.user

    def get_client(self) -> Client:
        """Give whom it was given to."""
        return CLIENTS[self.client_id]


class Ledger:
    """Codes and tokens by their text. Whoever reads and then writes holds ``lock`` meanwhile."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.lock = threading.RLock()
        self._codes: TTLCache[str, Code] = TTLCache(MOST, CODE_LIFETIME_S, timer=clock)
        self._spent: LRUCache[str, str] = LRUCache(MOST)
        self._access: LRUCache[str, Issued] = LRUCache(MOST)
        self._refresh: TTLCache[str, Issued] = TTLCache(MOST, REFRESH_LIFETIME_S, timer=clock)

    def add_code(self, code: Code) -> None:
        """Remember a code for a minute."""
        with self.lock:
            self._codes[code.code] = code

    def code(self, text: str) -> Code | None:
        """Find a code; one that was used before ends what it gave (RFC 6749 section 4.1.2)."""
        with self.lock:
            if text in self._spent:
                self.revoke_family(text)
            return self._codes.get(text)

    def spend(self, code: Code) -> None:
        """Use a code up."""
        with self.lock:
            self._codes.pop(code.code, None)
            self._spent[code.code] = code.client_id

    def add(self, issued: Issued) -> None:
        """Remember a token."""
        with self.lock:
            self._access[issued.access_token] = issued
            if issued.refresh_token:
                self._refresh[issued.refresh_token] = issued

    def access(self, text: str) -> Issued | None:
        """Find an access token."""
        with self.lock:
            return self._access.get(text)

    def refresh(self, text: str) -> Issued | None:
        """Find a refresh token; a used one ends its family (RFC 9700 section 4.14.2)."""
        with self.lock:
            issued = self._refresh.get(text)
            if issued is not None and issued.is_refresh_revoked:
                self.revoke_family(issued.family)
                return None
            return issued

    def revoke_family(self, family: str) -> None:
        """End every token of one consent."""
        with self.lock:
            for issued in (*self._access.values(), *self._refresh.values()):
                if issued.family == family:
                    issued.is_access_revoked = issued.is_refresh_revoked = True
