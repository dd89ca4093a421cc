"""For development and tests: an issuer in memory, and the demo. The runtime never imports it."""
