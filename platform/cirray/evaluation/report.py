"""The report of a whole chain: what was asked and found, the curves, the table."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cirray.pages import Curve, Panel, draw, render


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
    return render(
        "report.html",
        "cirray.evaluation",
        title=title,
        questions=questions,
        recalls=recalls,
        cutoffs=list(next(iter(recalls.values()), {})),
        curves=draw([_losses(curves)]) if curves else "",
        facts=facts,
    )


def _losses(curves: Mapping[str, Sequence[float]]) -> Panel:
    lines = [Curve(name, dict(enumerate(values, start=1))) for name, values in curves.items()]
    return Panel("Training loss", lines, "Mean over the steps of each epoch.", from_zero=True)
