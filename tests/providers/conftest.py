"""Issuers of any name that share the session's signing key."""

import pytest

from bearerguard.testing import Issuer


@pytest.fixture
def make_issuer(signing_key, clock):
    return lambda name: Issuer(name, key=signing_key, clock=clock)
