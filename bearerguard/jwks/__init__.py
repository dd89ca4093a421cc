"""The issuer's keys: found, fetched, kept fresh, and never in the way of a good token."""
