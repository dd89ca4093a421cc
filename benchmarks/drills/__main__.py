"""Run the drills: ``python -m benchmarks.drills``, or ``make drills``."""

import argparse
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .arena import Keys
from .catalogue import DRILLS
from .environments import REQUIREMENTS, ROOT, Missing, prepare
from .issuer import make_certificate
from .process import Player
from .report import Report, as_markdown, as_text, machine
from .stage import Drill, Rows, Stage, play


def main() -> None:
    """Run what was selected, print the tables, and write the page after a complete run."""
    options = _options()
    selected = [drill for drill in DRILLS if options.only is None or drill.key in options.only]
    where = machine()
    print(f"{where}; environments in {options.environments}", flush=True)
    players, missing = _players(options.contenders, options.environments)
    report = Report(players, missing, where)
    with tempfile.TemporaryDirectory() as folder:
        certificate = make_certificate(Path(folder))
        keys = Keys()
        for drill in selected:
            report.results[drill.key] = run(drill, players, keys, certificate)
            print(f"\n{drill.title}\n\n{as_text(report.table(drill))}", flush=True)
    if selected == list(DRILLS) and set(options.contenders) == set(REQUIREMENTS):
        options.page.write_text(as_markdown(report, selected), encoding="utf-8")
        print(f"\nwritten to {options.page}")


def run(drill: Drill, players: list[Player], keys: Keys, certificate: Path) -> dict[str, Rows]:
    """Take each contender through a drill."""
    with ThreadPoolExecutor(drill.at_once) as pool:
        stages = [Stage(player, keys, certificate) for player in players]
        found = list(pool.map(lambda stage: play(drill, stage), stages))
    return {player.name: rows for player, rows in zip(players, found, strict=True)}


def _players(names: list[str], folder: Path) -> tuple[list[Player], list[Missing]]:
    found = [prepare(name, folder) for name in names]
    for one in found:
        if isinstance(one, Missing):
            print(f"  {one.name}: not installed: {one.reason}")
        else:
            print(f"  {one.name} {one.about['version']}: {one.about['configuration']}", flush=True)
    players = [one for one in found if isinstance(one, Player)]
    return players, [one for one in found if isinstance(one, Missing)]


def _options() -> argparse.Namespace:
    keys = [drill.key for drill in DRILLS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drills", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=keys, help="these drills only")
    parser.add_argument("--contenders", nargs="+", choices=REQUIREMENTS, default=[*REQUIREMENTS])
    parser.add_argument("--environments", type=Path, default=ROOT / ".venv-drills")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "drills.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
