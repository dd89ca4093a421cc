"""Strict base64url and strict JSON.

Source: RFC 7515 sections 2 and 10.12, RFC 7519 section 7.2, RFC 8259 sections 4 and 8.1.

Two readers of one document must never see two different documents, so whatever could be read in
two ways is refused: padding, unused bits, repeated names, a byte order mark, NaN, lone surrogates.
By hand because the standard decoders are lenient in exactly these points.
"""

import json
import re
from base64 import urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Callable
from string import ascii_letters, digits
from typing import Any, NoReturn

BASE64URL = f"{ascii_letters}{digits}-_".encode()
# What binascii reads (RFC 4648 section 4), for each octet of base64url (section 5).
STANDARD = bytes.maketrans(b"-_", b"+/")
# The last character of a text whose length is 0, 1, 2 or 3 more than a multiple of 4, so that it
# has no unused bits or they are zero: otherwise two texts would stand for the same bytes.
LAST_CHARACTERS = (BASE64URL, b"", b"AQgw", b"AEIMQUYcgkosw048")
# The first character of "{" and of each white space in base64url: six bits of the eight.
OBJECT_BEGINS = b"eICD"
# RFC 8259 section 2: around a JSON text.
WHITE_SPACE = " \t\n\r"
# Real tokens nest four or five levels. The limit keeps every later walk over the claims, ours and
# the application's, far away from the interpreter's recursion limit.
MAX_DEPTH = 32
# RFC 8259 section 6 promises interoperability up to 53 bits; a certificate serial number is the
# longest integer seen in a claim. Longer ones only cost time: conversion is quadratic.
MAX_DIGITS = 128

# Stands in a document of others where it could be understood in two ways; no JSON value equals it.
ODD = object()

SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class EncodingError(ValueError):
    """The bytes are not the one canonical form. The message never quotes them."""


def base64url_decode(text: bytes) -> bytes:
    """Decode unpadded base64url, only in its canonical form.

    Raises:
        EncodingError: padding, other characters, an impossible length, or unused bits that are set.
    """
    # What is left of the text without these characters; a pattern takes three times as long.
    if text.translate(None, BASE64URL) or not is_whole(text):
        raise EncodingError("not base64url, or base64url with unused bits set")
    return decode_checked(text)


def is_whole(text: bytes) -> bool:
    """Tell whether base64url characters have a possible length, and no unused bits are set."""
    # As a number: for octets Python first tries, and fails, to take them for one.
    return not text or text[-1] in LAST_CHARACTERS[len(text) % 4]


def decode_checked(text: bytes) -> bytes:
    """Decode base64url that is known to be canonical. For other text the result means nothing."""
    return a2b_base64(text.translate(STANDARD) + b"==")


def decode_object(text: bytes) -> bytes:
    """Decode base64url that is known to be canonical, where it can be that of a JSON object.

    Raises:
        EncodingError: it begins neither with "{" nor with white space. That takes no time, however
            long the garbage is.
    """
    if not text or text[0] not in OBJECT_BEGINS:
        raise EncodingError("not a JSON object")
    return decode_checked(text)


def base64url_encode(data: bytes) -> bytes:
    """Encode as unpadded base64url (RFC 7515 section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=")


def read_json(document: bytes) -> Any:
    """Parse one JSON text of UTF-8, refusing what could be understood in two ways.

    Raises:
        EncodingError: not UTF-8, a byte order mark, not JSON, a repeated name, NaN or an infinity,
            an overlong integer, nesting deeper than 32 levels, or a lone surrogate.
    """
    try:
        text = document.decode("utf-8").strip(WHITE_SPACE)
        value, end = SCAN(text, 0)
    except RecursionError:
        raise EncodingError("nested too deeply") from None
    except StopIteration:
        raise EncodingError("not JSON in UTF-8") from None
    except ValueError as error:
        # The decoders' own messages may quote the document.
        reason = str(error) if isinstance(error, EncodingError) else "not JSON in UTF-8"
        raise EncodingError(reason) from None
    if end != len(text):
        raise EncodingError("more than one JSON text")
    is_nested = "[" in text or text.find("{", 1) > 0  # faster than counting, and often false
    if is_nested and text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(value)
    if "\\" in text and SURROGATE_ESCAPE.search(text):
        _check_surrogates(value)
    return value


def read_foreign_json(document: bytes) -> Any:
    """Parse a JSON text that others keep together, so that one odd part does not spoil the rest.

    What :func:`read_json` refuses (a repeated name, NaN, an overlong number) becomes :data:`ODD`
    just where it stands, and is never taken for a value or for nothing; a byte order mark is passed
    over (RFC 8259 section 8.1 allows that).

    Raises:
        EncodingError: not JSON in UTF-8 at all.
    """
    try:
        return json.loads(
            document.decode("utf-8-sig"),
            object_pairs_hook=_or_odd(_unique_names),
            parse_constant=_or_odd(_refuse_constant),
            parse_float=_or_odd(_finite),
            parse_int=_or_odd(_bounded_integer),
        )
    except (ValueError, RecursionError):
        raise EncodingError("not JSON in UTF-8") from None


def read_json_object(document: bytes) -> dict[str, Any]:
    """Parse one JSON object; raises EncodingError like :func:`read_json`, and for other values."""
    value = read_json(document)
    if not isinstance(value, dict):
        raise EncodingError("not a JSON object")
    return value


def _or_odd(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def tolerant(text: Any) -> Any:
        try:
            return read(text)
        except EncodingError:
            return ODD

    return tolerant


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise EncodingError("a repeated name")
    return names


def _refuse_constant(name: str) -> NoReturn:
    raise EncodingError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise EncodingError("a number beyond all bounds")
    return number


def _bounded_integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise EncodingError("an integer with too many digits")
    return int(text)


# Made once: making a decoder takes longer than reading the claims of a token with it.
STRICT = json.JSONDecoder(
    object_pairs_hook=_unique_names,
    parse_constant=_refuse_constant,
    parse_float=_finite,
    parse_int=_bounded_integer,
)
# What raw_decode() calls, without what it makes of a failure: a message that we must not show.
# The types of the standard library leave it out.
SCAN: Callable[[str, int], tuple[Any, int]] = STRICT.scan_once  # type: ignore[attr-defined]


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise EncodingError("nested too deeply")


def _children(node: Any) -> list[Any]:
    """Give the containers directly inside a container."""
    inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [child for child in inside if isinstance(child, dict | list)]


def _check_surrogates(value: Any) -> None:
    """Half a character cannot be written as UTF-8: it would break the application's answer."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise EncodingError("half a character") from None
