"""Reads a WWW-Authenticate field as strictly as the standards write it.

Source: RFC 9110 sections 5.6.2, 5.6.4, 11.2 and 11.6.1 (syntax), RFC 6750 section 3 (Bearer).
"""

import re

WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
QUOTED = r'"(?:[\t \x21\x23-\x5B\x5D-\x7E]|\\[\t \x21-\x7E])*"'
PARAMETER = rf"{WORD}[ \t]*=[ \t]*(?:{WORD}|{QUOTED})"
PARAMETERS = rf"{PARAMETER}(?:[ \t]*,[ \t]*{PARAMETER})*"
CHALLENGE = rf"(?:{WORD})(?: +(?:{PARAMETERS}|[A-Za-z0-9._~+/-]+=*))?"
FIELD = re.compile(rf"{CHALLENGE}(?:[ \t]*,[ \t]*{CHALLENGE})*")
ONE_CHALLENGE = re.compile(CHALLENGE)
ONE_PARAMETER = re.compile(rf"({WORD})[ \t]*=[ \t]*({WORD}|{QUOTED})")
LONGEST = 8192
# RFC 6750 section 3: what may stand in each; realm may hold any quoted-string.
VALUES = {
    "scope": re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*"),
    "error": re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+"),
    "error_description": re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+"),
    "error_uri": re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+"),
}


class SyntaxProblem(Exception):  # noqa: N818  it is a finding about somebody else's answer
    """What is wrong with the field."""


def bearer_challenge(field: str) -> dict[str, str]:
    """Give the parameters of the Bearer challenge in a field, names in lower case.

    Raises:
        SyntaxProblem: the field is malformed, or has no such challenge.
    """
    if len(field) > LONGEST or not FIELD.fullmatch(field):
        raise SyntaxProblem("WWW-Authenticate is malformed (RFC 9110 section 11.6.1)")
    challenges = (found[0].partition(" ") for found in ONE_CHALLENGE.finditer(field))
    ours = next((rest for scheme, _, rest in challenges if scheme.lower() == "bearer"), None)
    if ours is None:
        raise SyntaxProblem("WWW-Authenticate has no Bearer challenge (RFC 6750 section 3)")
    if not ours:
        raise SyntaxProblem("the Bearer challenge has no parameter (RFC 6750 section 3)")
    parameters: dict[str, str] = {}
    for name, written in ONE_PARAMETER.findall(ours):
        if name.lower() in parameters:
            raise SyntaxProblem(f"{name} stands twice in the challenge (RFC 6750 section 3)")
        parameters[name.lower()] = _value(name.lower(), written)
    return parameters


def _value(name: str, written: str) -> str:
    value = re.sub(r"\\(.)", r"\1", written[1:-1]) if written.startswith('"') else written
    allowed = VALUES.get(name)
    if allowed is not None and not allowed.fullmatch(value):
        raise SyntaxProblem(f"{name} has a character that it may not have (RFC 6750 section 3)")
    return value
