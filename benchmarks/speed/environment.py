"""Where it was measured: the machine, and the versions of everybody who took part."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend

PACKAGES = (
    "cryptography",
    "PyJWT",
    "joserfc",
    "Authlib",
    "python-jose",
    "fastmcp",
    "starlette",
    "uvicorn",
    "Flask",
    "gunicorn",
    "matplotlib",
)


def machine() -> str:
    """Describe the machine in a few words."""
    system = f"{platform.system()} on {platform.machine()}"
    load = f"load average {os.getloadavg()[0]:.1f} at the start"
    return f"{os.cpu_count()} cores ({_processor()}), {system}, {load}"


def versions() -> str:
    """Give the versions of the interpreter and of the packages that are installed."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    named = [f"{name} {found}" for name in PACKAGES if (found := _version(name))]
    openssl = " ".join(backend.openssl_version_text().split()[:2])  # without its date
    return ", ".join([python, *named, openssl])


def missing() -> list[str]:
    """Name the packages that are not installed, and so take no part."""
    return [name for name in PACKAGES if not _version(name)]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
