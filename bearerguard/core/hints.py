"""For the operator: what a refusal usually means and how to mend it. Callers never see these."""

from collections.abc import Sequence

from bearerguard.errors import RejectedError

HINTS = {
    "token_encrypted": "ask the issuer for signed access tokens; encrypted ones are not supported",
    "token_malformed": "an opaque token? set INTROSPECTION_CLIENT_ID (and TOKEN_PREFIX)",
    "type_mismatch": "an ID token? if the issuer's access tokens say JWT, set PROFILE to jwt",
    "algorithm_not_allowed": "compare the setting ALGORITHMS with what the issuer signs with",
    "expired": "the client should fetch a new token; if it just did, compare the clocks",
    "not_yet_valid": "compare the clocks of the issuer and of this host; LEEWAY is the tolerance",
    "issued_in_the_future": "compare the clocks of the issuer and of this host",
    "audience_missing": "register this API with the issuer, so that its tokens name an audience",
    "audience_mismatch": "the token is for another API, or the setting AUDIENCE names it otherwise",
    "key_unknown": "the issuer does not publish this key: another environment, or a forgery",
    "key_unsuitable": "the key of this kid is for another algorithm",
    "signature_invalid": "altered on its way, or signed by another key of the same kid",
    "claim_missing": "a strict RFC 9068 profile? PROFILE jwt asks for fewer claims",
    "wrong_kind_of_token": "send the access token, not the ID, refresh or logout token",
    "token_bound": "the token is bound to a key of its client and is no Bearer token",
    "token_inactive": "the issuer says so: expired, revoked, never issued, or not for this API",
    "scheme_mismatch": "the issuer made the token for another scheme than Bearer, as DPoP",
}


def hint_for(error: RejectedError) -> str | None:
    """Give a sentence that helps to mend the refusal, where there is one."""
    if error.reason == "issuer_mismatch":
        expected = error.expected
        known = expected if isinstance(expected, tuple) else (expected,)
        return _issuer_hint([str(issuer) for issuer in known], str(error.found))
    return HINTS.get(error.reason)


def _issuer_hint(known: Sequence[str], found: str) -> str:
    if found.rstrip("/") in {issuer.rstrip("/") for issuer in known}:
        return "they differ only by a trailing slash: set ISSUER exactly as the token has it"
    if found.lower() in {issuer.lower() for issuer in known}:
        return "they differ only in upper and lower case: set ISSUER exactly as the token has it"
    return "the token comes from another issuer or tenant, or ISSUER names it otherwise"
