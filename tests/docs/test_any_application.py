"""What any-application.md prints guards a Django application, and a function without a request."""

import json
import os
import subprocess
import sys

import pytest

# In a process of its own: Django can be configured once in each.
PROGRAM = """
import json, sys
from werkzeug.test import Client
from bearerguard.testing import Issuer, bad_tokens, trust

issuer = Issuer("https://login.example.com", audience="https://api.example.com", alg="ES256")
with trust(issuer):
    printed = {"__name__": "printed"}
    sys.modules["printed"] = type(sys)("printed")
    for source in json.loads(sys.stdin.read()):
        exec(source, printed)
    vars(sys.modules["printed"]).update(printed)
    client = Client(printed["application"])

    def call(method, path, scopes=None):
        headers = {"Authorization": f"Bearer {issuer.token(scopes)}"} if scopes else {}
        return client.open(path, method=method, headers=headers).status_code

    handle = printed["handle"]
    print(json.dumps({
        "open": call("GET", "/healthz"),
        "nobody": call("GET", "/orders"),
        "reader": call("GET", "/orders", "orders:read"),
        "reader writes": call("POST", "/orders", "orders:read"),
        "one of two": call("GET", "/reports", "orders:admin"),
        "no rule": call("GET", "/elsewhere", "orders:read"),
        "no view": call("GET", "/admin/x", "admin"),
        "good": handle({"token": issuer.token()}),
        "bad": handle({"token": bad_tokens(issuer)["expired"]}),
    }))
"""
EXPECTED = {
    "open": 200,
    "nobody": 401,
    "reader": 200,
    "reader writes": 403,
    "one of two": 200,
    "no rule": 403,
    "no view": 404,
    "good": "done for user-1",
    "bad": "dropped: expired",
}


@pytest.mark.process
def test_the_printed_applications_do_what_the_page_says(pages):
    page = pages.ROOT / "docs/any-application.md"
    sources = [block.text for block in pages.blocks_of(page) if block.language == "python"]

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(sources),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            **os.environ,
            "BEARERGUARD_ISSUER": "https://login.example.com",
            "BEARERGUARD_AUDIENCE": "https://api.example.com",
        },
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == EXPECTED
