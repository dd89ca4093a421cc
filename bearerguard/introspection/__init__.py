"""Asking an issuer about an opaque token (RFC 7662, RFC 9701)."""
