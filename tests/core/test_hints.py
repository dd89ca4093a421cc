"""Whoever is told what is wrong is told how to mend it."""

import pytest

from bearerguard.core.hints import hint_for
from bearerguard.errors import REASONS, RejectedError


@pytest.mark.parametrize("reason", [name for name in REASONS if name != "no_credentials"])
def test_every_refusal_has_a_hint(reason):
    assert hint_for(RejectedError(reason, expected="a", found="b"))
