"""Curves over epochs as SVG in a page: they take the page's colours, light or dark, and its width."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cirray.pages.rendering import render

WIDTH, HEIGHT = 340, 190
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 10, 24
TICKS = 4
"""Spaces between ticks of an axis, about."""

DOTS = 40
"""Points that a curve may have to be drawn with a dot at each, which says its value."""


@dataclass(frozen=True)
class Curve:
    """One line: a value for some or all epochs.

    Attributes:
        name: of the line.
        values: by epoch, ascending.
    """

    name: str
    values: Mapping[int, float]


@dataclass(frozen=True)
class Panel:
    """Curves over the same axes.

    Attributes:
        title: what is drawn, with its unit.
        curves: at least one, each with at least one value.
        note: how to read it.
        from_zero: whether the axis of values begins at zero.
    """

    title: str
    curves: Sequence[Curve]
    note: str = ""
    from_zero: bool = False


@dataclass(frozen=True)
class Line:
    """One drawn curve: its points in the picture, and each one's words."""

    name: str
    points: tuple[tuple[float, float, str], ...]
    last: str

    @property
    def path(self) -> str:
        """The points as a polyline has them."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in self.points)

    @property
    def dots(self) -> bool:
        """Whether each point is drawn."""
        return len(self.points) <= DOTS


@dataclass(frozen=True)
class Axis:
    """One axis: its ends, and its ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Return how far along the axis a value lies, from 0 to 1."""
        return (value - self.low) / (self.high - self.low)


def draw(panels: Sequence[Panel]) -> Markup:
    """Return panels, over the same epochs, as HTML: it goes into a page that includes `curves.css` in its style."""
    epochs = axis([epoch for panel in panels for curve in panel.curves for epoch in curve.values], whole=True)
    drawn = [_drawn(panel, epochs) for panel in panels]
    size = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT, "bottom": HEIGHT - BOTTOM}
    # Markup: names and notes have been escaped by the template.
    return Markup(render("curves.html", panels=drawn, **size))


def short(value: float) -> str:
    """Return a value with as many digits as a label has room for."""
    if value and (abs(value) < 1e-3 or abs(value) >= 1e6):
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def axis(values: Sequence[float], *, whole: bool = False, from_zero: bool = False) -> Axis:
    """Return an axis over values whose ticks are round numbers.

    Args:
        values: that it must hold.
        whole: whether ticks must be whole numbers, and the ends the least and the greatest value.
        from_zero: whether it begins at zero.
    """
    low, high = min(values), max(values)
    low = min(0.0, low) if from_zero else low
    if high == low and from_zero:
        high = low + 1
    elif high == low:
        low, high = (low - 0.5, high + 0.5) if whole or not low else sorted((low * 0.5, low * 1.5))
    step = _round_step((high - low) / TICKS)
    step = max(1.0, math.ceil(step)) if whole else step
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [number * step for number in range(first, last + 1)]
    if whole:
        return Axis(low, high, tuple(tick for tick in ticks if low <= tick <= high))
    return Axis(ticks[0], ticks[-1], tuple(ticks))


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * (1 - 1e-9))


def _drawn(panel: Panel, epochs: Axis) -> dict[str, object]:
    values = axis([value for curve in panel.curves for value in curve.values.values()], from_zero=panel.from_zero)

    def x(epoch: float) -> float:
        return LEFT + epochs.share(epoch) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - values.share(value) * (HEIGHT - TOP - BOTTOM)

    lines = []
    for curve in panel.curves:
        points = tuple(
            (x(epoch), y(value), f"{curve.name}, epoch {epoch}: {short(value)}")
            for epoch, value in curve.values.items()
        )
        lines.append(Line(curve.name, points, short(list(curve.values.values())[-1])))
    return {
        "title": panel.title,
        "note": panel.note,
        "lines": lines,
        "label": f"{panel.title}: " + "; ".join(_in_words(curve) for curve in panel.curves),
        "x_ticks": [(round(x(tick), 1), f"{tick:.0f}") for tick in epochs.ticks],
        "y_ticks": [(round(y(tick), 1), short(tick)) for tick in values.ticks],
    }


def _in_words(curve: Curve) -> str:
    epochs, values = list(curve.values), list(curve.values.values())
    if len(epochs) == 1:
        return f"{curve.name} {short(values[0])} in epoch {epochs[0]}"
    return f"{curve.name} from {short(values[0])} in epoch {epochs[0]} to {short(values[-1])} in epoch {epochs[-1]}"
