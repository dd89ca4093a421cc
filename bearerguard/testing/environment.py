"""An issuer and an audience for tests, where the environment names none.

An application reads both when it is imported, which is long before the first fixture. They stand in
the environment, and not in a switch of the runtime, so that what reads them is what runs in
production; an application whose code or app.config names others never sees them.
"""

import os
from collections.abc import MutableMapping

# RFC 6761 section 6.5: names below "example" belong to nobody.
TEST_ISSUER = "https://issuer.example"
TEST_AUDIENCE = "https://api.example"
TEST_SETTINGS = {"BEARERGUARD_ISSUER": TEST_ISSUER, "BEARERGUARD_AUDIENCE": TEST_AUDIENCE}


def fill_environment(environ: MutableMapping[str, str] = os.environ) -> list[str]:
    """Set the issuer and the audience of tests where they are not set; give the names of these.

    Nothing is set beside BEARERGUARD_CONFIG: its file may name issuers, which stand in one place.
    """
    if environ.get("BEARERGUARD_CONFIG", "").strip():
        return []
    lacking = [name for name in TEST_SETTINGS if not environ.get(name, "").strip()]
    environ.update({name: TEST_SETTINGS[name] for name in lacking})
    return lacking
