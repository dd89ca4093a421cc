"""From what an issuer answered to what is wrong, and the line that mends it. Nothing is asked here.

A remedy names the setting, and the value where it is known.
"""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

from bearerguard.cli.diagnosis_failures import finding_of_failure
from bearerguard.cli.findings import Finding, fine, not_reached, problem, set_to
from bearerguard.cli.observations import Asked, Observed
from bearerguard.cli.readable import duration
from bearerguard.core.encoding import EncodingError, read_foreign_json
from bearerguard.core.urls import problem_of_url, well_known_urls
from bearerguard.jwks.fetch import Fetched
from bearerguard.jwks.metadata import NOT_HERE, OK, media_type

REDIRECTS = frozenset({301, 302, 303, 307, 308})
METADATA, KEYS, CLOCK = "metadata", "keys", "clock"
LOGIN_PAGE = "a page for people and no {}: a login page, or a proxy's"
LET_THROUGH = "let requests of this machine through to {} without a login"
EXACTLY = "set BEARERGUARD_ISSUER exactly as iss stands in a token"


def diagnose(seen: Observed) -> Iterator[Finding]:
    """Check what one issuer answered, in the order in which a guard needs it."""
    metadata = _metadata(seen)
    yield metadata
    yield _keys(seen, metadata)
    yield _clock(seen)


def _metadata(seen: Observed) -> Finding:
    """RFC 8414 sections 3 and 3.3."""
    places = well_known_urls(seen.settings.issuer)
    asked = [one for one in seen.asked if one.url in places]
    if not asked and seen.settings.jwks_uri is not None:
        return fine(METADATA, "not needed: BEARERGUARD_JWKS_URI names the keys")
    if not asked:
        return _not_asked(METADATA, seen)
    last = asked[-1]
    if last.answer is None:
        return finding_of_failure(METADATA, last, seen)
    odd = _odd_answer(METADATA, last, last.answer, seen)
    return odd or _compared(last.url, last.answer, seen.settings.issuer)


def _compared(url: str, answer: Fetched, issuer: str) -> Finding:
    if media_type(answer) != "application/json":
        kind = media_type(answer) or "no content type"
        remedy = f"have the issuer send application/json, or {set_to('JWKS_URI', 'https://...')}"
        return problem(METADATA, f"{url} says {kind}, and metadata are JSON", remedy)
    named = read_foreign_json(answer.body).get("issuer")
    if not isinstance(named, str):
        remedy = f"have the issuer name itself there, or {set_to('JWKS_URI', 'https://...')}"
        return problem(METADATA, f"{url} does not name its issuer", remedy)
    if named != issuer:
        return _named_otherwise(url, named[:200], issuer)
    return fine(METADATA, f"{url} names the issuer as ISSUER does")


def _odd_answer(check: str, asked: Asked, answer: Fetched, seen: Observed) -> Finding | None:
    """Redirects, refusals, pages for people, and what is no JSON."""
    what = "key set" if check == KEYS else "metadata"
    if answer.status in REDIRECTS and "location" in answer.headers:
        return _redirect(check, asked.url, answer, seen)
    if answer.status in NOT_HERE:
        return _not_here(check, asked.url, answer.status, seen)
    if answer.status != OK:
        cause = f"{asked.url} answered {answer.status}"
        return problem(check, cause, "look into the issuer's own log; nothing to set here")
    if media_type(answer) in ("text/html", "application/xhtml+xml"):
        through = LET_THROUGH.format(asked.url)
        also = "" if check == KEYS else f", or {set_to('JWKS_URI', 'https://...')}"
        return problem(check, f"{asked.url} is {LOGIN_PAGE.format(what)}", through + also)
    try:
        is_object = isinstance(read_foreign_json(answer.body), dict)
    except EncodingError:
        is_object = False
    if not is_object:
        name = "JWKS_URI" if check == KEYS else "ISSUER"
        remedy = f"correct BEARERGUARD_{name}, or have the issuer mend its {what}"
        return problem(check, f"{asked.url} is no JSON object, as {what} should be", remedy)
    return None


def _redirect(check: str, url: str, answer: Fetched, seen: Observed) -> Finding:
    location = _joined(url, answer.headers["location"])
    cause = f"{url} redirects to {location}, and redirects are not followed"
    if problem_of_url(location, http_allowed=seen.settings.allow_http) is not None:
        return problem(check, cause, "have the issuer answer there itself, by https")
    if check == KEYS:
        return problem(check, cause, set_to("JWKS_URI", location))
    name, found, _ = location.partition("/.well-known/")
    if found:
        return problem(check, cause, f"{set_to('ISSUER', name)}, if iss of its tokens is that")
    return problem(check, cause, f"{EXACTLY}, or {LET_THROUGH.format(url)}")


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:  # a host that is none, as "http://["
        return location


def _not_here(check: str, url: str, status: int, seen: Observed) -> Finding:
    if check == KEYS:
        name = "JWKS_URI" if seen.settings.jwks_uri else "ISSUER"
        remedy = f"correct BEARERGUARD_{name}, or have the issuer publish its keys there"
        return problem(check, f"there are no keys at {url} ({status})", remedy)
    cause = f"{seen.settings.issuer} has no metadata: {url} answered {status}"
    if seen.named is not None:
        remedy = f"{set_to('ISSUER', seen.named)}: so the issuer on this host names itself"
        return problem(check, cause, remedy)
    return problem(check, cause, f"{EXACTLY}, or {set_to('JWKS_URI', 'https://...')}")


def _named_otherwise(url: str, named: str, issuer: str) -> Finding:
    """RFC 8414 section 3.3: the names are compared exactly, and so are those in tokens."""
    ours, theirs = issuer.rstrip("/"), named.rstrip("/")
    mend = f"{set_to('ISSUER', named)}"
    so = "that is how the issuer names itself"
    if ours == theirs:
        how = "with" if named.endswith("/") else "without"
        cause = f"ISSUER and the issuer's own name {named} differ by a trailing slash"
        return problem(METADATA, cause, f"{mend} {how} the slash: {so}")
    if ours.lower() == theirs.lower():
        cause = f"ISSUER and the issuer's own name {named} differ in upper and lower case"
        return problem(METADATA, cause, f"{mend}: {so}")
    if "{" in named:
        cause = f"{url} is for every tenant: {named}"
        return problem(METADATA, cause, f"{mend} with the id of your tenant in place of {{...}}")
    cause = f"{url} is of another issuer or tenant: {named}"
    if problem_of_url(named, http_allowed=True) is not None:
        return problem(METADATA, cause, EXACTLY)
    return problem(METADATA, cause, f"{mend}, if that is the one you trust: {so}")


def _keys(seen: Observed, metadata: Finding) -> Finding:
    """RFC 7517 section 5."""
    if metadata.verdict != "OK":
        return not_reached(KEYS, "their URL stands in the metadata")
    asked = [one for one in seen.asked if one.url not in well_known_urls(seen.settings.issuer)]
    if seen.keys is not None:
        left_out = "".join(f"; left out: {key.kid} ({key.reason})" for key in seen.keys.refused)
        return fine(KEYS, f"{len(seen.keys.keys)} usable at {asked[-1].url}{left_out}")
    if not asked:
        return _not_asked(KEYS, seen)
    last = asked[-1]
    if last.answer is None:
        return finding_of_failure(KEYS, last, seen)
    odd = _odd_answer(KEYS, last, last.answer, seen)
    remedy = "have the issuer publish the public key that it signs with (RSA, EC or OKP)"
    return odd or problem(KEYS, seen.problem, remedy)


def _not_asked(check: str, seen: Observed) -> Finding:
    """Why a guard makes no request though it needs the answer."""
    if "jwks_token_file" in seen.problem:
        remedy = "let BEARERGUARD_JWKS_TOKEN_FILE name a readable file with a bearer token"
    elif "no time was left" in seen.problem:
        remedy = set_to("JWKS_TIMEOUT", "10s")
    else:  # where the metadata point to is no URL to follow
        remedy = f"{set_to('JWKS_URI', 'https://...')} to the URL of the keys"
    return problem(check, seen.problem, remedy)


def _clock(seen: Observed) -> Finding:
    """RFC 9110 section 6.6.1: the Date of an answer is when it was made."""
    for one in seen.asked:
        sent = _date(one.answer)
        if sent is None:
            continue
        ahead_s = one.at - sent
        if abs(ahead_s) <= seen.settings.leeway:
            return fine(CLOCK, f"as the issuer's, within LEEWAY={seen.settings.leeway:g}s")
        way = "ahead of" if ahead_s > 0 else "behind"
        cause = f"this machine's clock is {duration(abs(ahead_s))} {way} the issuer's"
        return problem(CLOCK, cause, "set the clock that is wrong by NTP; LEEWAY is no remedy")
    return not_reached(CLOCK, "no answer had a date")


def _date(answer: Fetched | None) -> float | None:
    try:
        return parsedate_to_datetime(answer.headers["date"]).timestamp() if answer else None
    except (KeyError, ValueError, OverflowError):
        return None
