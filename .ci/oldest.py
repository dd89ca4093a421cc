"""Print the oldest version of each package that pyproject.toml allows, for pip to install."""

import re
import tomllib
from itertools import chain
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
extras = project["project"]["optional-dependencies"]
# The SDK that the tests use has to be of the API's version.
tools = [line for line in project["dependency-groups"]["dev"] if "opentelemetry" in line]
named = [
    re.match(r"([\w-]+)>=([\d.]+)", line)
    for line in chain(project["project"]["dependencies"], *extras.values(), tools)
]
print("\n".join(sorted({f"{found[1]}=={found[2]}" for found in named if found})))
