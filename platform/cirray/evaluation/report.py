"""The report of a whole chain: what was asked and found, the curves, the table."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from markupsafe import Markup


@dataclass(frozen=True)
class Picture:
    """A picture in a report.

    Attributes:
        data: encoded bytes.
        media_type: such as "image/png".
        caption: what is to be seen.
        right: whether it is a right answer; None where that is not the question.
    """

    data: bytes
    media_type: str
    caption: str
    right: bool | None = None

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class Question:
    """One query with its answer.

    Attributes:
        reference: the picture that it starts from.
        text: what should change.
        hits: what was found, best first.
    """

    reference: Picture
    text: str
    hits: tuple[Picture, ...]


def render_report(
    title: str,
    questions: Sequence[Question],
    recalls: Mapping[str, Mapping[str, float]],
    curves: Mapping[str, Sequence[float]],
    facts: Mapping[str, Mapping[str, Any]],
) -> str:
    """Return a report as one HTML page without outside parts.

    Args:
        title: of the page.
        questions: queries with their answers.
        recalls: of each method, in percent, by "R@k".
        curves: loss of each method, an epoch a value.
        facts: tables of two columns, by heading.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cirray.evaluation", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        title=title,
        questions=questions,
        recalls=recalls,
        cutoffs=list(next(iter(recalls.values()), {})),
        # Markup: the drawing is ours, and its labels were escaped by whoever wrote it.
        curves=Markup(draw_curves(curves)),
        facts=facts,
    )


def draw_curves(curves: Mapping[str, Sequence[float]]) -> str:
    """Return the curves as an SVG element: loss against epoch, a line a method."""
    # Imported here: it is slow to load, and only reports draw. The figure needs no global state of pyplot's.
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 3), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    for name, values in curves.items():
        axes.plot(range(1, len(values) + 1), values, marker="o", markersize=3, label=name)
    axes.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    drawing = io.StringIO()
    figure.savefig(drawing, format="svg", metadata={"Date": None}, transparent=True)
    svg = drawing.getvalue()
    return svg[svg.index("<svg") :]
