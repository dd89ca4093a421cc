"""From the Authorization field to a token, to nothing, or to a malformed request."""

import pytest

from bearerguard import RejectedError
from bearerguard.core.credentials import read_token


@pytest.mark.requirement("6750-2.1-1", "6750-2.1-2", "OAuth21-5.1.1-1", "9110-11.1-1")
@pytest.mark.parametrize(
    ("field", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER abc", "abc"),
        ("bEaReR abc", "abc"),
        ("Bearer  abc", "abc"),
        ("Bearer      abc", "abc"),
        (" Bearer abc ", "abc"),
        ("\tBearer abc\t", "abc"),
        ("Bearer A-Z._~+/09==", "A-Z._~+/09=="),
        ("Bearer a", "a"),
    ],
)
def test_a_bearer_token_is_read(field, token):
    """RFC 6750 section 2.1, RFC 9110 section 11.4."""
    assert read_token([field]) == token


@pytest.mark.requirement("6750-3.1-2")
@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["Basic dTpw"],
        ["Negotiate"],
        ["DPoP abc"],
        ["Bearerabc"],
        ["Bearer-x abc"],
        ["Digest a=b, c=d"],
        ["Basic é"],
        ["Digest a=b, bearerx=c"],
        ["x\nBearer abc"],
    ],
)
def test_no_credentials_that_concern_us(fields):
    """RFC 6750 section 3.1."""
    assert read_token(fields) is None


@pytest.mark.requirement("6750-2.1-2", "6750-2.1-3", "6750-3.1-3")
@pytest.mark.parametrize(
    "field",
    [
        "Bearer",
        "Bearer ",
        "bearer\t",
        "Bearer\tabc",
        "Bearer \tabc",
        "Bearer a b",
        "Bearer a,b",
        "Bearer abc,",
        "Bearer é",
        "Bearer =",
        "Bearer a=b",
        'Bearer "abc"',
        "Bearer abc\n",
        "Bearer abc\x00",
        "Bearer\x00abc",
        "Bearer: abc",
        "Bearer=abc",
        "",
        " ",
        "é",
        ",",
        "\xa0Bearer abc",
    ],
    ids=ascii,
)
def test_malformed_credentials_are_refused(field):
    with pytest.raises(RejectedError) as refusal:
        read_token([field])
    assert (refusal.value.status, refusal.value.error) == (400, "invalid_request")
    assert refusal.value.reason == "credentials_malformed"
    assert refusal.value.found is None  # whatever it was, it may be a secret


@pytest.mark.requirement("6750-2.1-4")
@pytest.mark.parametrize(
    "fields",
    [
        ["Bearer a", "Bearer a"],
        ["Bearer a", "Basic b"],
        ["Basic b", "Bearer a"],
        ["Basic b", "Basic b"],
        ["", ""],
        ["Bearer a,Bearer a"],
        ["Bearer a, Bearer b"],
        ["Bearer a,bearer"],
        ["Bearer a,\tBEARER\tb"],
        ["Basic b, Bearer a"],
        ["Basic b,Bearer,Basic c"],
    ],
)
def test_repeated_credentials_are_refused_however_the_server_hands_them_over(fields):
    """ASGI keeps repeated fields apart, WSGI joins them with a comma."""
    with pytest.raises(RejectedError) as refusal:
        read_token(fields)
    assert (refusal.value.status, refusal.value.reason) == (400, "credentials_repeated")
