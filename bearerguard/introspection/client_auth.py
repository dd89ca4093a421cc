"""How this API proves to an issuer who it is, when it asks about a token.

Source: RFC 7662 section 2.1, RFC 6749 section 2.3.1, RFC 7523 sections 2.2 and 3.

Client certificates (RFC 8705) are not offered.
"""

import base64
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote_plus

import jwt

from bearerguard.core.client_key import ClientKey, ClientKeyError, parse_client_key
from bearerguard.file_parsers import LARGEST_CLIENT_KEY_FILE
from bearerguard.files import read_regular
from bearerguard.jwks.fetch import FetchError

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# As long as the clocks of two servers may differ and the request may take.
ASSERTION_LIFETIME_S = 60


@dataclass(frozen=True)
class Credentials:
    """What a request carries to say who asks: header fields, and members of the form."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)


class ClientAuth(Protocol):
    """A way to say who asks."""

    def credentials(self, methods: Collection[str]) -> Credentials:
        """Make credentials for one request.

        ``methods`` are those that the issuer's metadata name; empty where nobody knows.

        Raises:
            FetchError: they cannot be made at present.
        """
        ...


@dataclass(frozen=True)
class SecretAuth:
    """By a secret, in the Authorization field or in the form.

    ``method`` None takes the form only where the issuer names it and does not name the field.
    """

    client_id: str
    secret: str = field(repr=False)
    method: str | None = None

    def credentials(self, methods: Collection[str]) -> Credentials:
        """RFC 6749 section 2.3.1: both are form-urlencoded before they become Basic."""
        only_post = "client_secret_post" in methods and "client_secret_basic" not in methods
        method = self.method or ("client_secret_post" if only_post else "client_secret_basic")
        if method == "client_secret_post":
            return Credentials(form={"client_id": self.client_id, "client_secret": self.secret})
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}".encode()
        return Credentials(headers={"Authorization": f"Basic {base64.b64encode(pair).decode()}"})


class KeyAuth:
    """By a signature of a private key that stands in a file, which is read anew each time.

    ``clock`` gives seconds since 1970.
    """

    def __init__(
        self, client_id: str, file: str, issuer: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._client_id = client_id
        self._file = file
        self._issuer = issuer
        self._clock = clock
        self._read: tuple[bytes, ClientKey] | None = None

    def credentials(self, _methods: Collection[str]) -> Credentials:
        """RFC 7523 section 3; the issuer alone is the audience, so that nobody else can use it."""
        key, now = self._key(), int(self._clock())
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + ASSERTION_LIFETIME_S,
        }
        header = {} if key.kid is None else {"kid": key.kid}
        assertion = jwt.encode(claims, key.private_key, key.alg, header)
        return Credentials(
            form={
                "client_id": self._client_id,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion,
            }
        )

    def _key(self) -> ClientKey:
        """Read the file, and the key in it where it is another one than before."""
        try:
            content = read_regular(self._file, LARGEST_CLIENT_KEY_FILE)
            read = self._read
            if read is None or read[0] != content:
                read = self._read = (content, parse_client_key(content))
        except ClientKeyError as error:
            raise FetchError(f"introspection_key_file {error}") from None
        except (OSError, ValueError) as error:
            why = type(error).__name__
            raise FetchError(f"introspection_key_file cannot be read: {why}") from None
        return read[1]
