"""Tokens that no API may accept, each with the name of what is wrong with it.

They are made where the local issuer can offer them, too: :mod:`bearerguard.dev.broken`.
"""

from bearerguard.dev.broken import BAD_TOKENS, Recipe, bad_tokens

__all__ = ["BAD_TOKENS", "Recipe", "bad_tokens"]
