"""An API that does not know whose tokens to trust does not start, whatever serves it."""

import pytest

pytestmark = [pytest.mark.process, pytest.mark.untraced]


@pytest.mark.requirement("GEN-6")
def test_without_settings_no_server_starts(started_without_settings):
    """The process ends with an error, and says what is missing."""
    assert started_without_settings.wait_for_exit() != 0

    output = started_without_settings.output()
    assert "bearerguard cannot start" in output
    assert "BEARERGUARD_ISSUER" in output
    assert "BEARERGUARD_AUDIENCE" in output
