"""The geometry of the plots on a sweep's page: what its template needs to draw them as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cirray.tuning.domains import LogUniform, OneOf, Range, Uniform, Value
from cirray.tuning.results import Row
from cirray.tuning.sweep import Sweep

HEIGHT, TOP, BOTTOM = 320, 34, 24
SPACING, MARGIN = 150, 70
BAR = 22

LOW, HIGH = (200, 204, 212), (30, 96, 200)
"""Colours, in RGB, of the lowest score and of the highest."""


@dataclass(frozen=True)
class Axis:
    """One axis: where it stands, what it is called, and what its ends and values are."""

    x: float
    name: str
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Line:
    """One trial: its points, its colour, and what a pointer over it is told."""

    points: str
    colour: str
    title: str
    is_best: bool
    is_early: bool


@dataclass(frozen=True)
class Parallel:
    """A parallel-coordinates plot: the lines of the trials, the best last, over an axis for each dial."""

    width: float
    height: float
    axes: tuple[Axis, ...]
    lines: tuple[Line, ...]


def parallel(sweep: Sweep, rows: Sequence[Row]) -> Parallel | None:
    """Return the plot of all trials that have a score, or None where none has one."""
    shown = [(row, row.score) for row in rows if row.score is not None]
    if not shown:
        return None
    scores = [score for _, score in shown]
    low, high = min(scores), max(scores)
    wide = Uniform(low=low, high=high) if high > low else Uniform(low=low - 1, high=low + 1)
    dials = {name: dial.domain for name, dial in sweep.dials.items()}
    axes = [_axis(number, short(name), domain) for number, (name, domain) in enumerate(dials.items())]
    axes.append(_axis(len(dials), sweep.settings.metric, wide))
    best = max((row for row, _ in shown if row.ended == "finished"), key=lambda row: row.score or 0.0, default=None)
    lines = []
    for row, score in reversed(shown):
        heights = [_y(domain, _widened(domain, row.values[name])) for name, domain in dials.items()]
        points = zip([axis.x for axis in axes], [*heights, _y(wide, score)], strict=True)
        lines.append(
            Line(
                " ".join(f"{x:.1f},{y:.1f}" for x, y in points),
                _colour((score - low) / (high - low) if high > low else 1.0),
                f"trial {row.number}: {sweep.settings.metric} {score:.2f}, {row.ended} after {row.epochs} epochs",
                is_best=row is best,
                is_early=row.ended != "finished",
            )
        )
    lines.sort(key=lambda line: line.is_best)
    return Parallel(2 * MARGIN + SPACING * (len(axes) - 1), HEIGHT, tuple(axes), tuple(lines))


def short(name: str) -> str:
    """Return the last two parts of a dial's name, which tell it apart from others."""
    return ".".join(name.split(".")[-2:])


def _axis(number: int, name: str, domain: Range) -> Axis:
    ends: Sequence[Value] = domain.values if isinstance(domain, OneOf) else (domain.low, domain.high)
    ticks = tuple((_y(domain, value), f"{value:.3g}" if isinstance(value, float) else str(value)) for value in ends)
    return Axis(MARGIN + SPACING * number, name, ticks)


def _y(domain: Range, value: Value) -> float:
    """Return the height of a value on the axis of its domain, from the top of the picture."""
    if isinstance(domain, OneOf):
        share = domain.values.index(value) / (len(domain.values) - 1)
    elif isinstance(domain, LogUniform):
        share = math.log(float(value or domain.low) / domain.low) / math.log(domain.high / domain.low)
    else:
        share = (float(value or 0.0) - domain.low) / (domain.high - domain.low)
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _widened(domain: Range, value: Value) -> Value:
    """Return a value as its domain has it: JSON writes a whole number without its point."""
    return value if isinstance(domain, OneOf) or value is None else float(value)


def _colour(share: float) -> str:
    mixed = (round(low + share * (high - low)) for low, high in zip(LOW, HIGH, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)
