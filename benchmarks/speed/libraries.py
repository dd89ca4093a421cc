# ruff: noqa: PLC0415  a library that is not installed takes no part, and stops nobody
"""Other libraries, each in the fast way that its documentation shows, doing the same job.

The job: verify the signature with a key that was read once (except for "PEM"), and take nothing but
a token of this issuer for this audience that has not expired and has the claims that RFC 9068
requires, as far as the library has rules for them. Before anybody is measured, it has to do the job
once.
"""

import warnings
from collections.abc import Callable
from typing import Any

from bearerguard.testing import Issuer

from .tokens import token

Verify = Callable[[str], object]
REQUIRED = ("exp", "iss", "aud", "sub", "client_id", "iat", "jti")


class UnfairError(Exception):
    """A contender takes what it has to refuse, or refuses what it has to take."""


def _pyjwt(issuer: Issuer) -> Verify:
    from jwt import PyJWK

    return _pyjwt_with(issuer, PyJWK(dict(issuer.key.jwk)))


def _pyjwt_pem(issuer: Issuer) -> Verify:
    return _pyjwt_with(issuer, issuer.key.public_pem())


def _pyjwt_with(issuer: Issuer, key: Any) -> Verify:
    from jwt import decode

    options: Any = {"require": [*REQUIRED]}

    def verify(raw: str) -> object:
        return decode(
            raw,
            key,
            algorithms=[issuer.key.alg],
            audience=issuer.audience,
            issuer=issuer.url,
            options=options,
        )

    return verify


def _joserfc(issuer: Issuer) -> Verify:
    from joserfc import jwk, jwt

    key = jwk.import_key(dict(issuer.key.jwk))
    algorithms = [issuer.key.alg]
    rules: Any = _rules(issuer)
    registry = jwt.JWTClaimsRegistry(**rules)

    def verify(raw: str) -> object:
        decoded = jwt.decode(raw, key, algorithms=algorithms)
        registry.validate(decoded.claims)
        return decoded

    return verify


def _authlib(issuer: Issuer) -> Verify:
    from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
    from joserfc import jwk

    keys = jwk.KeySet([jwk.import_key(dict(issuer.key.jwk))])

    class Validator(JWTBearerTokenValidator):
        def get_jwks(self) -> object:
            return keys

    validator = Validator(issuer.url, issuer.audience)

    def verify(raw: str) -> object:
        claims = validator.authenticate_token(raw)
        validator.validate_token(claims, [], None)
        return claims

    return verify


def _authlib_jose(issuer: Issuer) -> Verify:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, and says so
        from authlib.jose import JsonWebKey, JsonWebToken

    key = JsonWebKey.import_key(dict(issuer.key.jwk))
    library = JsonWebToken([issuer.key.alg])
    rules = _rules(issuer)

    def verify(raw: str) -> object:
        claims = library.decode(raw, key, claims_options=rules)
        claims.validate()
        return claims

    return verify


def _python_jose(issuer: Issuer) -> Verify:
    from jose import jwk, jwt

    key = jwk.construct(dict(issuer.key.jwk), issuer.key.alg)
    algorithms = [issuer.key.alg]
    # It has no rule for client_id.
    options = {f"require_{name}": True for name in REQUIRED if name != "client_id"}

    def verify(raw: str) -> object:
        return jwt.decode(
            raw, key, algorithms, options, audience=issuer.audience, issuer=issuer.url
        )

    return verify


LIBRARIES: dict[str, Callable[[Issuer], Verify]] = {
    "PyJWT, PyJWK": _pyjwt,
    "PyJWT, PEM": _pyjwt_pem,
    "joserfc": _joserfc,
    "Authlib": _authlib,
    "authlib.jose": _authlib_jose,
    "python-jose": _python_jose,
}


def prepared(name: str, issuer: Issuer) -> Verify | None:
    """Make a library ready; None where it is not installed or does not do the algorithm.

    Raises:
        UnfairError: it does not do the job. RS256 is what everybody does: who refuses that is not
            called in the right way, and must not just be missing from the table.
    """
    try:
        verify = LIBRARIES[name](issuer)
        verify(token(issuer))
    except ImportError:
        return None
    except Exception as error:  # each library has errors of its own
        if issuer.key.alg == "RS256":
            raise UnfairError(f"{name} does not take a good RS256 token: {error!r}") from error
        return None
    check_job(name, issuer, verify)
    return verify


def check_job(name: str, issuer: Issuer, verify: Verify) -> None:
    """Raise UnfairError where a token passes that has to be refused."""
    now = int(issuer.clock())
    for what, bad in {
        "forged": token(issuer)[:-8] + "AAAAAAAA",
        "expired": token(issuer, exp=now - 3600),
        "for another audience": token(issuer, aud="https://other.example"),
        "of another issuer": token(issuer, iss="https://other.example"),
        "without sub": token(issuer, without=["sub"]),
    }.items():
        try:
            verify(bad)
        except Exception:  # each library has errors of its own
            continue
        raise UnfairError(f"{name} takes a token that is {what}")


def _rules(issuer: Issuer) -> dict[str, dict[str, Any]]:
    rules: dict[str, dict[str, Any]] = {name: {"essential": True} for name in REQUIRED}
    rules["iss"]["value"] = issuer.url
    rules["aud"]["value"] = issuer.audience
    return rules
