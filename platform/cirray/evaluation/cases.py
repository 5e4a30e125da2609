"""Single queries of an evaluation, with what models answered: which to show, and what of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from cirray.datasets.prepared import PreparedDataset
from cirray.evaluation.album import Album, Shown
from cirray.evaluation.comparison import changed_queries
from cirray.exact import Ints

CASES = 6
"""Queries in a section."""

HITS_SHOWN = 8


@dataclass(frozen=True)
class Answer:
    """What one model answered.

    Attributes:
        model: which; empty where there is but one.
        rank: of the first right answer, or None where the gallery has none.
        hits: the first items, each with whether it is right.
    """

    model: str
    rank: int | None
    hits: tuple[tuple[Shown, bool], ...]


@dataclass(frozen=True)
class Case:
    """One query.

    Attributes:
        reference: that it starts from.
        text: what should change; the right label, where pictures are classified.
        target: that was meant, or None.
        answers: of each model.
    """

    reference: Shown
    text: str
    target: Shown | None
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Section:
    """Queries under one heading.

    Attributes:
        heading: of the section.
        note: how its queries were chosen.
        cases: the queries.
    """

    heading: str
    note: str
    cases: list[Case]


@dataclass(frozen=True)
class Choice:
    """Rows of the outcomes that a section will show."""

    heading: str
    note: str
    rows: Ints


def evaluation_sections(outcomes: pa.Table, dataset: PreparedDataset) -> list[Section]:
    """Return a sample, the best and the worst queries of an evaluation."""
    ranks = outcomes["rank"].fill_null(0).to_numpy()
    ranked = np.flatnonzero(ranks > 0)
    order = ranked[np.argsort(ranks[ranked], kind="stable")]
    first = np.flatnonzero(ranks == 1)
    best = Choice("Best", "Those whose first right answer stands highest.", order[:CASES])
    if len(first) > CASES:
        note = f"Spread evenly over the {len(first):,} queries with a right answer in the first place."
        best = Choice("Best", note, _spread(first))
    worst = "Those whose first right answer stands lowest."
    if hidden := len(ranks) - len(ranked):
        worst += f" {hidden:,} queries without a right answer in the gallery are not among them."
    choices = [
        Choice("A sample", "Spread evenly over all queries, whatever was found.", _spread(np.arange(len(ranks)))),
        best,
        Choice("Worst", worst, order[::-1][:CASES]),
    ]
    return _sections(choices, {"": outcomes}, dataset)


def comparison_sections(
    first: pa.Table, second: pa.Table, names: tuple[str, str], dataset: PreparedDataset
) -> list[Section]:
    """Return the queries of two evaluations that changed most, each with both answers."""
    gained, lost = changed_queries(first, second)
    note = "Those that changed most of the {count:,} whose first right answer the second model has {where}."
    choices = [
        Choice("Gained", note.format(count=len(gained), where="higher"), gained[:CASES]),
        Choice("Lost", note.format(count=len(lost), where="lower"), lost[:CASES]),
    ]
    return _sections(choices, {f"1. {names[0]}": first, f"2. {names[1]}": second}, dataset)


def _sections(choices: Sequence[Choice], tables: Mapping[str, pa.Table], dataset: PreparedDataset) -> list[Section]:
    rows = {
        model: {int(row): table.slice(int(row), 1).to_pylist()[0] for choice in choices for row in choice.rows}
        for model, table in tables.items()
    }
    album = Album(dataset, {name for of_model in rows.values() for row in of_model.values() for name in _ids(row)})
    return [
        Section(
            choice.heading,
            choice.note,
            [_case(album, {model: rows[model][int(row)] for model in tables}) for row in choice.rows],
        )
        for choice in choices
    ]


def _ids(row: Mapping[str, Any]) -> list[str]:
    return [row["reference_id"], *([row["target_id"]] if row["target_id"] else []), *row["hits"][:HITS_SHOWN]]


def _case(album: Album, by_model: Mapping[str, Mapping[str, Any]]) -> Case:
    row = next(iter(by_model.values()))
    return Case(
        album.show(row["reference_id"]),
        row["text"],
        album.show(row["target_id"]) if row["target_id"] else None,
        tuple(
            Answer(
                model,
                of_model["rank"],
                tuple(
                    (album.show(hit), right)
                    for hit, right in list(zip(of_model["hits"], of_model["right"], strict=True))[:HITS_SHOWN]
                ),
            )
            for model, of_model in by_model.items()
        ),
    )


def _spread(rows: Ints) -> Ints:
    """Return a few of the rows, spread evenly."""
    count = min(CASES, len(rows))
    places = (2 * np.arange(count) + 1) * len(rows) // max(1, 2 * count)
    chosen: Ints = rows[places]
    return chosen
