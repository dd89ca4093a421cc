"""For the operator: what a refusal usually means and how to mend it. Callers never see these."""

from collections.abc import Sequence

from bearerguard.errors import RejectedError

HINTS = {
    "credentials_malformed": "send Authorization: Bearer, one space, and the token alone",
    "credentials_repeated": "send one Authorization field; does a proxy add one of its own?",
    "token_too_large": "have the issuer leave claims out; MAX_TOKEN_BYTES is the limit",
    "header_malformed": "no JWT of an issuer looks like that: was the whole token copied?",
    "extension_not_supported": "have the issuer sign plain tokens, without crit and b64",
    "claims_malformed": "no JWT of an issuer looks like that: was the whole token copied?",
    "claim_malformed": "the issuer writes this claim in another form than its profile says",
    "issuer_missing": "have the issuer name itself in iss; a token without it belongs to nobody",
    "too_old": "the client should fetch a new token; MAX_TOKEN_AGE is the limit",
    "scope_insufficient": "have the client ask the issuer for what is missing, if it may have it",
    "no_rule_for_path": "name the path in the rules, or give all others a rule with '*'",
    "token_encrypted": "ask the issuer for signed access tokens; encrypted ones are not supported",
    "token_malformed": "an opaque token? set INTROSPECTION_CLIENT_ID (and TOKEN_PREFIX)",
    "type_mismatch": "an ID token? if access tokens say so, set PROFILE to the provider or to jwt",
    "algorithm_not_allowed": "compare the setting ALGORITHMS with what the issuer signs with",
    "expired": "the client should fetch a new token; if it just did, compare the clocks",
    "not_yet_valid": "compare the clocks of the issuer and of this host; LEEWAY is the tolerance",
    "issued_in_the_future": "compare the clocks of the issuer and of this host",
    "audience_missing": "have the issuer name this API; where it never does, see MISSING_AUDIENCE",
    "audience_mismatch": "the token is for another API, or the setting AUDIENCE names it otherwise",
    "key_unknown": "the issuer does not publish this key: another environment, or a forgery",
    "key_unsuitable": "the key of this kid is for another algorithm",
    "signature_invalid": "altered on its way, or signed by another key of the same kid",
    "claim_missing": "a strict profile? set PROFILE to the provider, or REQUIRED_CLAIMS",
    "wrong_kind_of_token": "send the access token, not the ID, refresh or logout token",
    "client_not_allowed": "add the client to the setting CLIENTS, if it may call this API",
    "claim_mismatch": "the token is for something else, or MATCH and PROFILE say otherwise",
    "key_of_another_issuer": "the key signs for another tenant: compare ISSUER and TENANTS",
    "authentication_too_weak": "the route needs one of these acr values: does the issuer send acr?",
    "authentication_too_old": "the route needs a newer login: does the issuer send auth_time?",
    "token_bound": "the token is bound to a key of its client and is no Bearer token",
    "status_not_supported": "this API looks statuses up in a status list, and in nothing else",
    "status_uri_not_allowed": "a status list is read from the host of its issuer alone",
    "status_unknown": "the issuer's status list does not say that this token is valid",
    "suspended": "the issuer's status list says that the token is suspended for now",
    "revoked": "the client should get a new token, if its user may still have one",
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
