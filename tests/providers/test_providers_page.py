"""docs/providers.md says of each profile what its row of data says, and its blocks run."""

import re
from pathlib import Path

import pytest

from bearerguard import Guard
from bearerguard.core.profile import RFC9068
from bearerguard.core.provider_hosts import HOSTS
from bearerguard.core.providers import PROFILES
from bearerguard.policies import _checks

PAGE = (Path(__file__).parents[2] / "docs/providers.md").read_text("utf-8")


def code(values):
    return ", ".join(f"`{value}`" for value in values) or "-"


def row(name):
    """A line of the page's table."""
    profile = PROFILES[name]
    types = sorted(str(typ or "none") for typ in profile.token_types - RFC9068.token_types)
    marks = f"nothing with {', '.join(sorted(profile.foreign_claims))}"
    checks = [check for check in _checks(profile) if check != marks]
    cells = [
        f"`{name}`",
        code(sorted(host for host, known in HOSTS.items() if known == name)),
        code(types),
        code(sorted(RFC9068.required_claims - profile.required_claims)),
        "; ".join(checks) or "-",
        code(place.path for place in profile.scope_places),
        code(place.path for place in profile.role_places),
        "; ".join(" or ".join(f"`{s.upper()}`" for s in d.settings) for d in profile.demands)
        or "-",
    ]
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("name", PROFILES)
def test_the_page_has_the_row_of_each_profile(name):
    assert row(name) in PAGE.splitlines()


BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_each_printed_file_makes_a_guard(number, tmp_path):
    file = tmp_path / "guard.toml"
    file.write_text(BLOCKS[number])
    assert Guard(config=str(file)).issuers.all()


PAIRS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_each_printed_environment_makes_a_guard(number):
    lines = [line for line in PAIRS[number].splitlines() if line.startswith("BEARERGUARD_")]
    assert Guard.from_env(environ=dict(line.split("=", 1) for line in lines)).issuers.all()
