"""Status lists: how they are fetched and kept (draft-ietf-oauth-status-list)."""
