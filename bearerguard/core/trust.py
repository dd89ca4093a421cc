"""Whose tokens this API takes, and by which rules: one policy an issuer.

The ``iss`` of a token that nobody has verified yet only selects among the issuers named here; what
it selects is checked against it again (RFC 8725 section 3.8), and the keys that may verify the
token are those of the selected issuer and of no other.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bearerguard.core.issuer_patterns import IssuerPatterns
from bearerguard.core.policy import ASYMMETRIC_ALGORITHMS, Policy, policy_for_answers
from bearerguard.core.profile import RFC9068, Profile
from bearerguard.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Every issuer's policy by its exact name. :meth:`of` makes one.

    ``only`` is the policy where there is just one and there can be no other. ``fallback`` is for a
    token of nobody here: it can only refuse. ``patterns`` say which other issuers may be asked
    about. ``max_bytes`` limits a token before anybody can know its issuer. ``opaque`` has, for each
    issuer that is asked about opaque tokens, what these begin with and the rules for its answers.
    """

    policies: Mapping[str, Policy]
    only: Policy | None
    fallback: Policy
    patterns: IssuerPatterns
    max_bytes: int
    opaque: tuple[tuple[str, Policy], ...] = ()

    @classmethod
    def of(
        cls,
        policies: Sequence[Policy],
        patterns: Sequence[str] = (),
        max_bytes: int | None = None,
        *,
        http_allowed: bool = False,
    ) -> "Trust":
        """Trust the issuers of these policies, and those that the patterns allow once asked about.

        ``max_bytes`` is by default the largest of the policies' own.

        Raises:
            ConfigurationError: nobody to trust, two policies of one issuer, or a bad pattern.
        """
        named = {policy.issuer: policy for policy in policies if policy.issuer is not None}
        _check_names(policies)
        allowed = IssuerPatterns()
        if patterns or not policies:
            allowed = IssuerPatterns.of(patterns, http_allowed=http_allowed)
        if max_bytes is None:
            max_bytes = max((p.max_bytes for p in policies), default=Policy.max_bytes)
        return cls(
            policies=MappingProxyType(named),
            only=policies[0] if len(policies) == 1 and not allowed else None,
            fallback=_fallback(policies, (*named, *allowed.entries)),
            patterns=allowed,
            max_bytes=max_bytes,
            opaque=tuple(
                (policy.opaque_prefix, policy_for_answers(policy))
                for policy in policies
                if policy.opaque_prefix is not None
            ),
        )


def _check_names(policies: Sequence[Policy]) -> None:
    """Raise ConfigurationError where a policy would be lost without a word."""
    counts = Counter(policy.issuer for policy in policies)
    problems = [f"issuer {name!r} is there twice" for name, n in counts.items() if n > 1]
    if None in counts:
        problems.append("an issuer without a name")
    if problems:
        raise ConfigurationError(*problems)


def _fallback(policies: Sequence[Policy], known_issuers: tuple[str, ...]) -> Policy:
    """Make the policy of no issuer.

    It is as wide as the widest of the others, so that a token is refused for its issuer and not for
    a rule that no issuer has.
    """
    types = [policy.profile.token_types for policy in policies] or [RFC9068.token_types]
    algorithms = [policy.algorithms for policy in policies] or [frozenset(ASYMMETRIC_ALGORITHMS)]
    profile = Profile(
        token_types=frozenset().union(*types),
        required_claims=frozenset(),
        kind_claims={},
        foreign_claims=frozenset(),
        scope_places=(),
        role_places=(),
    )
    return Policy(
        issuer=None,
        known_issuers=known_issuers,
        audiences=tuple(dict.fromkeys(name for p in policies for name in p.audiences)),
        algorithms=frozenset().union(*algorithms),
        profile=profile,
        scope_places=(),
        role_places=(),
        leeway_s=max((policy.leeway_s for policy in policies), default=Policy.leeway_s),
    )
