"""One guard, very many distinct tokens: how much its process grows.

Run in a process of its own: ``python -m benchmarks.speed.memory --bytes 1024 --tokens 1000000``
writes a line of JSON.
"""

import argparse
import hashlib
import hmac
import json
import resource
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bearerguard.core.encoding import base64url_encode
from bearerguard.guard import Guard

from .tokens import AUDIENCE, CLAIMS, ISSUER, LIFETIME_S

# Of the same tokens, before the first measurement.
WARM_UP = 50
SAMPLE_EVERY = 2_000
MIB = 2**20
# A group id, with quotes and a comma: what makes tokens long in practice.
GROUP_BYTES = 39


def main() -> None:
    """Verify the tokens, and write what the process grew by, in MiB."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, required=True)
    parser.add_argument("--tokens", type=int, required=True)
    options = parser.parse_args()
    print(json.dumps(growth(options.bytes, options.tokens)))


def growth(size: int, count: int) -> dict[str, float]:
    """Verify ``count`` distinct tokens of about ``size`` bytes with one guard."""
    secret = secrets.token_bytes(32)
    guard = Guard(issuer=ISSUER, audience=AUDIENCE, secret=secret)
    made = tokens(secret, size)
    length = [len(raw) for raw in (next(made) for _ in range(WARM_UP)) if guard.verify(raw)][-1]
    start = most = rss()
    began = time.process_time()
    for number in range(count):
        guard.verify(next(made))
        if number % SAMPLE_EVERY == 0:
            most = max(most, rss())
    took_s = time.process_time() - began
    end = rss()
    most = max(most, end)
    return {
        "bytes": length,
        "tokens": count,
        "grown": (end - start) / MIB,
        "most": (most - start) / MIB,
        "cpu_us": took_s / count * 1e6,
    }


def tokens(secret: bytes, size: int) -> Iterator[str]:
    """Make distinct HS256 tokens without end, which cost little to sign.

    They differ in jti and sub; the groups that make them long are the same ones, encoded once.
    """
    header = base64url_encode(b'{"typ":"at+jwt","alg":"HS256"}') + b"."
    groups = base64url_encode(_groups(size * 3 // 4 - 300))
    keyed = hmac.new(secret, digestmod=hashlib.sha256)
    for number in range(sys.maxsize):
        signing_input = header + base64url_encode(_claims(number)) + groups
        signature = keyed.copy()
        signature.update(signing_input)
        yield (signing_input + b"." + base64url_encode(signature.digest())).decode()


def _claims(number: int) -> bytes:
    """Write the beginning of the claims, as a whole number of groups of three bytes."""
    now = int(time.time())
    claims = {
        "jti": f"{number:016x}",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": f"user-{number:08d}",
        "client_id": CLAIMS["client_id"][:8],
        "iat": now,
        "exp": now + LIFETIME_S,
    }
    text = json.dumps(claims, separators=(",", ":"))[:-1] + ","
    return (text + " " * (-len(text) % 3)).encode()


def _groups(size: int) -> bytes:
    """Write the rest of the claims, of about so many bytes."""
    count = max(0, size // GROUP_BYTES)
    groups = ",".join(f'"{group:08x}-2c5f-4c8e-9f0a-6a1d0f6f3c22"' for group in range(count))
    return f'"groups":[{groups}]}}'.encode()


def rss() -> int:
    """Give the memory of this process in bytes; where there is no /proc, the most it ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
