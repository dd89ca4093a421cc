"""Settings that name a file: what stands in it is looked at before the application starts."""

import json
import os
import ssl
from pathlib import Path

import certifi
import pytest

from bearerguard import file_parsers as f
from bearerguard.testing import Issuer


def refusal(parse, value):
    with pytest.raises(ValueError) as error:
        parse(value)
    return str(error.value)


@pytest.fixture
def jwks(issuer: Issuer) -> bytes:
    return json.dumps(issuer.jwks()).encode()


def test_the_name_of_a_file_is_text_or_a_path(tmp_path):
    assert str(tmp_path) == f.file(str(tmp_path)) == f.file(tmp_path)
    for value in (5, b"x", ["x"], None):
        assert refusal(f.file, value) == "must be text"
    assert "has quotation marks" in refusal(f.file, "'x'")


def test_a_file_of_certificates_is_loaded_once_to_see_that_it_can_be(tmp_path):
    assert certifi.where() == f.certificates(certifi.where())
    none, broken = tmp_path / "none", tmp_path / "broken"
    none.write_text("no certificate")
    text = Path(certifi.where()).read_text(encoding="utf-8")
    broken.write_text(text[: text.index("-----END")])

    for file in (none, broken):
        assert f"cannot be used ({ssl.SSLError.__name__})" in refusal(f.certificates, str(file))
    assert (
        refusal(f.certificates, str(tmp_path / "absent"))
        == "cannot be used (no such file); name a PEM file of certificates"
    )
    for value in (str(tmp_path), "a\0b"):
        assert "cannot be used (" in refusal(f.certificates, value)
    assert refusal(f.certificates, 5) == "must be text"


def test_a_file_of_keys_is_a_jwk_set_or_pem(tmp_path, jwks, signing_key):
    for name, content in {"keys.json": jwks, "keys.pem": signing_key.public_pem()}.items():
        file = tmp_path / name
        file.write_bytes(content)
        assert str(file) == f.keys(file) == f.keys(str(file))


def test_a_file_without_a_usable_key_refuses_the_start(tmp_path):
    file = tmp_path / "keys"
    for content in (b"", b"{}", b'{"keys": []}', b"-----BEGIN PUBLIC KEY-----", b"\xff", b"null"):
        file.write_bytes(content)
        assert refusal(f.keys, file)


def test_a_file_of_keys_that_cannot_be_read_is_told_with_the_reason(tmp_path):
    assert refusal(f.keys, tmp_path / "absent") == "cannot be read: No such file or directory"
    assert refusal(f.keys, tmp_path) == "cannot be read: Is a directory"
    assert refusal(f.keys, "a\0b") == "cannot be read: ValueError"


def test_no_more_of_a_file_of_keys_is_read_than_of_a_fetched_set(tmp_path, jwks):
    assert f.LARGEST_KEY_FILE == 524288
    file = tmp_path / "keys"
    file.write_bytes(jwks.ljust(f.LARGEST_KEY_FILE))
    assert str(file) == f.keys(file)

    file.write_bytes(jwks.ljust(f.LARGEST_KEY_FILE + 1))
    assert refusal(f.keys, file) == "is longer than 512 KiB; is it this file?"


def test_a_snapshot_is_a_file_that_nobody_else_can_write(tmp_path):
    """The file itself need not be there yet; its folder must."""
    tmp_path.chmod(0o700)
    file = tmp_path / "snapshot"
    assert str(file) == f.snapshot(file)
    file.touch(mode=0o600)
    assert str(file) == f.snapshot(file)

    file.chmod(0o666)
    assert "writable by others" in refusal(f.snapshot, file)
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    assert "is a link" in refusal(f.snapshot, file)
    assert "is not there" in refusal(f.snapshot, tmp_path / "absent" / "snapshot")
    tmp_path.chmod(0o777)
    assert "writable by others" in refusal(f.snapshot, tmp_path / "other")


def test_a_fifo_for_a_file_of_keys_refuses_the_start_and_does_not_hang_it(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert refusal(f.keys, tmp_path / "fifo") == "is not a regular file"
