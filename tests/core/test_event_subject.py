"""Whom a security event is about: formats that are understood, and those that are not."""

import pytest

from bearerguard.core.event_subject import MOST_ALIASES, SubjectError, names_of_subject

ISSUER = "https://issuer.example"
USER = {"format": "iss_sub", "iss": ISSUER, "sub": "u"}
STRANGER = {"format": "iss_sub", "iss": "https://other.example", "sub": "u"}
SESSION = {"format": "opaque", "id": "s"}


def names(subject, critical=()):
    return names_of_subject(subject, ISSUER, critical)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (USER, ("sub u",)),
        (SESSION, ("sub s", "sid s")),
        ({"format": "jwt_id", "iss": ISSUER, "jti": "t"}, ("jti t",)),
        ({"format": "complex", "user": USER}, ("sub u",)),
        ({"user": USER}, ("sub u",)),
        ({"session": SESSION}, ("sid s",)),
        ({"user": {"format": "opaque", "id": "u"}}, ("sub u",)),
        ({"user": USER, "session": SESSION}, ("sid s", "sub without sid u")),
        ({"user": USER, "device": {"format": "opaque", "id": "d"}}, ("sub u",)),
        ({"format": "aliases", "identifiers": [USER, SESSION]}, ("sub u", "sub s", "sid s")),
        ({"format": "aliases", "identifiers": [USER] * MOST_ALIASES}, ("sub u",)),
    ],
)
def test_a_subject_has_the_names_of_its_tokens(subject, expected):
    """RFC 9493 section 3.2, SSF 1.0 sections 3.2 to 3.4."""
    assert names(subject) == expected


@pytest.mark.parametrize(
    "subject",
    [
        {"format": "email", "email": "a@example.com"},
        {"format": "new"},
        {"format": ""},
        STRANGER,
        {"format": "jwt_id", "iss": "https://other.example", "jti": "t"},
        {"user": STRANGER},
        {"user": {"format": "email", "email": "a@example.com"}},
        {"session": USER},
        {"tenant": {"format": "opaque", "id": "t"}},
        {"format": "aliases", "identifiers": [STRANGER]},
    ],
)
def test_what_is_not_understood_or_another_issuers_has_none(subject):
    """RFC 7519 section 4.1.2: a subject means something only within its issuer."""
    assert names(subject) == ()


@pytest.mark.parametrize(
    ("critical", "expected"),
    [(["tenant"], ()), (["user", "session"], ("sub u",)), (["other"], ("sub u",))],
)
def test_a_critical_member_must_be_understood_where_it_is_there(critical, expected):
    """SSF 1.0 section 7.1."""
    subject = {"user": USER, "tenant": {"format": "opaque", "id": "t"}}
    assert names(subject, critical) == expected


@pytest.mark.parametrize(
    "subject",
    [
        None,
        "u",
        [],
        {},
        {"format": 5},
        {"format": "complex"},
        {"user": "u"},
        {"format": "iss_sub", "iss": ISSUER},
        {"format": "iss_sub", "iss": ISSUER, "sub": ""},
        {"format": "iss_sub", "iss": 5, "sub": "u"},
        {"format": "opaque", "id": 5},
        {"format": "jwt_id", "iss": ISSUER},
        {"format": "aliases"},
        {"format": "aliases", "identifiers": []},
        {"format": "aliases", "identifiers": ["u"]},
        {"format": "aliases", "identifiers": [USER] * (MOST_ALIASES + 1)},
    ],
)
def test_what_is_no_subject_at_all_is_said_to_be_none(subject):
    with pytest.raises(SubjectError):
        names(subject)
