"""The chart of the page: a panel for each kind of figure, readable on light and dark pages."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .section import Bar, Section

OURS = ("#0b5394", "#3d85c6", "#9fc5e8")
OTHERS = ("#7f6000", "#b45f06", "#e69138", "#f6b26b", "#38761d", "#93c47d", "#999999")
WIDTH_INCH, BAR_INCH, PANEL_INCH = 10.0, 0.17, 1.1
# Of the height of a group, what stays empty between it and the next.
GAP = 0.8


def can_draw() -> bool:
    """Tell whether there is something to draw with."""
    return find_spec("matplotlib") is not None


def draw(sections: Sequence[Section], path: Path) -> None:
    """Write the chart as SVG; the same figures give the same file."""
    import matplotlib as mpl  # noqa: PLC0415  where it is missing, the tables are written without
    from matplotlib.figure import Figure  # noqa: PLC0415

    panels = panels_of(sections)
    heights = [PANEL_INCH + BAR_INCH * _rows(bars) for bars in panels.values()]
    with mpl.rc_context({"svg.hashsalt": "bearerguard", "font.size": 9}):
        # White all over: a page in dark mode would swallow the letters.
        figure = Figure((WIDTH_INCH, sum(heights)), facecolor="white", layout="constrained")
        axes = figure.subplots(len(panels), squeeze=False, height_ratios=heights)[:, 0]
        for (unit, bars), axis in zip(panels.items(), axes, strict=True):
            _panel(axis, unit, bars)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    # It ends some lines in spaces, which tools of repositories complain about.
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("".join(f"{line.rstrip()}\n" for line in lines), encoding="utf-8")


def panels_of(sections: Sequence[Section]) -> dict[str, list[Bar]]:
    """Sort the bars into panels by their unit."""
    panels: dict[str, list[Bar]] = {}
    for section in sections:
        if section.bars:
            panels.setdefault(section.unit, []).extend(section.bars)
    return panels


def _rows(bars: Sequence[Bar]) -> float:
    return len(bars) + GAP * len({bar.group for bar in bars})


def _panel(axis: Any, unit: str, bars: Sequence[Bar]) -> None:
    colours = _colours(dict.fromkeys(bar.series for bar in bars))
    groups = list(dict.fromkeys(bar.group for bar in bars))
    place, ticks, seen = 0.0, [], set()
    for group in groups:
        members = [bar for bar in bars if bar.group == group]
        ticks.append(place + (len(members) - 1) / 2)
        for bar in members:
            label = bar.series if bar.series not in seen else None
            seen.add(bar.series)
            _draw(axis, place, bar, colours[bar.series], label)
            place += 1
        place += GAP
    axis.set_yticks(ticks, groups)
    axis.margins(y=0.01)
    axis.invert_yaxis()
    axis.axvline(1.0, color="#444444", linewidth=0.8, linestyle="--")
    axis.set_xlim(0, 1.12 * max(1.0, *(bar.measured.quartiles[1] for bar in bars)))
    axis.set_title(unit, loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)


def _draw(axis: Any, place: float, bar: Bar, colour: str, label: str | None) -> None:
    median = bar.measured.median
    low, high = bar.measured.quartiles
    axis.barh(place, median, height=0.85, color=colour, label=label)
    axis.plot([low, high], [place, place], color="#222222", linewidth=0.8)
    axis.annotate(
        f"{median:.2f}",
        (max(median, high), place),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=6.5,
    )


def _colours(names: dict[str, None]) -> dict[str, str]:
    """Give bearerguard shades of one colour, and everyone else others."""
    ours = [name for name in names if name.startswith(("bearerguard", "guard."))]
    others = [name for name in names if name not in ours]
    pairs = [(ours, OURS), (others, OTHERS)]
    return {name: shades[i % len(shades)] for few, shades in pairs for i, name in enumerate(few)}
