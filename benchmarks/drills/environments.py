"""Each contender in a virtual environment of its own, with the newest version that there is."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .process import Child, Player, StuckError

ROOT = Path(__file__).parents[2]
CONTENDERS = Path(__file__).parent / "contenders"
# What is installed for each, and a remark on what an option would change.
REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "bearerguard": ("--editable", str(ROOT)),
    "pyjwt": ("pyjwt[crypto]",),
    "authlib": ("authlib", "joserfc", "requests"),
    "guardpost": ("guardpost[jwt]",),
    "fastmcp": ("fastmcp",),
    "auth0": ("auth0-api-python",),
}
REMARKS = {
    "bearerguard": "`jwks_stale_for` (default 1 h) sets how long keys serve in an outage, "
    "`jwks_ttl` how long a removed key can live.",
    "pyjwt": "`cooldown_duration` (30 s) delays a new key, `lifespan` (300 s) sets when keys are "
    "fetched again, `timeout` (30 s) how long a caller can wait. Called in a thread "
    "(`asyncio.to_thread`), it does not stall the event loop.",
    "authlib": "The cache and the HTTP client are the application's: one with a lifetime and a "
    "time-out changes most rows. Called in a thread, it does not stall the event loop.",
    "guardpost": "`refresh_time` (120 s) delays a new key, `cache_time` (3 h) sets how long a "
    "removed key lives and when an outage is felt.",
    "fastmcp": "`jwks_refresh_interval` (30 s) delays a new key; the lifetime of a set (1 h) is "
    "fixed. `ssrf_safe` adds limits for size and time, and accepts https to public hosts only.",
    "auth0": "`cache_ttl_seconds` (600 s, or less if Cache-Control says so) sets when keys are "
    "fetched again; `custom_fetch` replaces the HTTP client, `cache_adapter` the cache.",
}
# The one that refuses http: it gets the same issuer over TLS.
TLS_ONLY = frozenset(["auth0"])


@dataclass(frozen=True)
class Missing:
    """A contender that cannot take part, and why."""

    name: str
    reason: str


def prepare(name: str, folder: Path) -> Player | Missing:
    """Install a contender, and ask it who it is."""
    home = folder / name
    python = home / "bin" / "python"
    try:
        if not python.exists():
            _run([sys.executable, "-m", "venv", str(home)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--upgrade", *REQUIREMENTS[name]])
    except subprocess.CalledProcessError as error:
        return Missing(name, _last_line(error.stderr))
    return introduce(CONTENDERS / f"{name}.py", python, tls=name in TLS_ONLY)


def introduce(adapter: Path, python: Path, *, tls: bool = False) -> Player | Missing:
    """Start a contender once, and take down its name, version and configuration."""
    setup = dict.fromkeys(("issuer", "jwks_uri"), "https://127.0.0.1") | {"audience": "nobody"}
    try:
        with Child(python, adapter, setup) as child:
            about: dict[str, Any] = child.ask("hello")
    except StuckError as error:
        return Missing(adapter.stem, str(error))
    return Player(adapter, python, about | {"tls": tls})


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _last_line(text: str) -> str:
    errors = [line for line in text.splitlines() if line.startswith("ERROR")]
    return (errors or text.strip().splitlines() or ["pip failed"])[-1]
