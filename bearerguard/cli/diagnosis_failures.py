"""No answer at all: what the kinds of failure mean, and how each is mended."""

from collections.abc import Callable
from urllib.parse import urlsplit

from bearerguard.cli.findings import Finding, problem, set_to
from bearerguard.cli.observations import Asked, Observed
from bearerguard.core.urls import host_of, is_loopback
from bearerguard.jwks.fetch import CONNECT_TIMEOUT_S, MAX_BYTES

Told = tuple[str, str]
# Kinds of failure that a proxy in between is likelier to have caused than the issuer.
OF_PROXIES = frozenset({"proxy", "unusable_proxy", "refused", "unknown_name", "unreachable"})

OWN_AUTHORITY = (
    f"{set_to('CA_FILE', '/path/to/ca.pem')}, a file with the certificate of the issuer's authority"
)


def finding_of_failure(check: str, asked: Asked, seen: Observed) -> Finding:
    """Say why there was no answer."""
    if seen.proxy is not None and asked.failure in OF_PROXIES:
        return problem(check, *_proxy(asked, *seen.proxy))
    tell = FAILURES.get(asked.failure or "")
    if tell is None:
        remedy = "try the URL from this machine; the guard meets the same"
        return problem(check, asked.detail, remedy)
    return problem(check, *tell(asked, seen))


def _setting(asked: Asked, seen: Observed) -> str:
    """Name the setting that the URL came from."""
    return "BEARERGUARD_JWKS_URI" if asked.url == seen.settings.jwks_uri else "BEARERGUARD_ISSUER"


def _origin(asked: Asked) -> str:
    parts = urlsplit(asked.url)
    return f"{parts.scheme}://{parts.netloc}"


def _proxy(asked: Asked, name: str, value: str) -> Told:
    host = host_of(asked.url)
    cause = f"the proxy of {name}={value} gives no way to {host}"
    return cause, f"set NO_PROXY={host} where no proxy is needed, or mend {name}"


def _no_certificates(asked: Asked, _seen: Observed) -> Told:
    cause = f"the HTTP client finds no certificates to trust, which it needs for {_origin(asked)}"
    return cause, f"let SSL_CERT_FILE name a file that is there, unset it, or {OWN_AUTHORITY}"


def _refused(asked: Asked, seen: Observed) -> Told:
    cause = f"nothing listens at {_origin(asked)}: connection refused"
    return cause, f"start the issuer, or correct host and port in {_setting(asked, seen)}"


def _unknown_name(asked: Asked, seen: Observed) -> Told:
    host = host_of(asked.url)
    cause = f"the name {host} does not resolve here"
    return cause, f"correct the host in {_setting(asked, seen)}, or have DNS know {host}"


def _unreachable(asked: Asked, seen: Observed) -> Told:
    timeout_s = min(CONNECT_TIMEOUT_S, seen.settings.jwks_timeout)
    cause = f"{_origin(asked)} took no connection within {timeout_s:g} s"
    how = f"let this machine through to it (a firewall?), or correct {_setting(asked, seen)}"
    return cause, how


def _slow(asked: Asked, seen: Observed) -> Told:
    timeout_s = seen.settings.jwks_timeout
    cause = f"{asked.url} did not answer within JWKS_TIMEOUT={timeout_s:g}s"
    longer = min(60, max(10, int(2 * timeout_s)))
    return cause, f"{set_to('JWKS_TIMEOUT', f'{longer}s')}, or find out why the issuer is slow"


def _unknown_authority(asked: Asked, seen: Observed) -> Told:
    cause = f"the certificate of {_origin(asked)} is by an authority that is not trusted here"
    if seen.settings.ca_file is None:
        return cause, OWN_AUTHORITY
    name = f"BEARERGUARD_CA_FILE={seen.settings.ca_file}"
    return cause, f"add the certificate of that authority to {name}, which replaces all others"


def _other_host(asked: Asked, seen: Observed) -> Told:
    names = ", ".join(seen.certificate_names) or "another host"
    host = host_of(asked.url)
    cause = f"the certificate of {_origin(asked)} is for {names}, not for {host}"
    return cause, f"name the host in {_setting(asked, seen)} as the certificate does: {names}"


def _certificate_expired(asked: Asked, _seen: Observed) -> Told:
    cause = f"the certificate of {_origin(asked)} has expired"
    return cause, "have it renewed there; if it is not expired, set the clock of this machine"


def _no_tls(asked: Asked, seen: Observed) -> Told:
    cause = f"{_origin(asked)} does not speak TLS as it should"
    if is_loopback(asked.url):
        at_hand = seen.settings.issuer.replace("https://", "http://", 1)
        return cause, f"{set_to('ISSUER', at_hand)}, if that is how it names itself in iss"
    return cause, f"correct the port in {_setting(asked, seen)}"


def _too_large(asked: Asked, _seen: Observed) -> Told:
    cause = f"{asked.url} answers with more than {MAX_BYTES // 1024} KiB"
    name = set_to("JWKS_URI", "https://...")
    return cause, f"{name} to the URL of the keys alone, or BEARERGUARD_JWKS_FILE to a copy"


FAILURES: dict[str, Callable[[Asked, Observed], Told]] = {
    "no_certificates": _no_certificates,
    "refused": _refused,
    "unknown_name": _unknown_name,
    "unreachable": _unreachable,
    "slow": _slow,
    "unknown_authority": _unknown_authority,
    "other_host": _other_host,
    "certificate_expired": _certificate_expired,
    "no_tls": _no_tls,
    "too_large": _too_large,
}
