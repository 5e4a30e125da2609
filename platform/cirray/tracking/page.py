"""The page of a run: its curves, what it is, what befell it, and what its model retrieves."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import ValidationError

from cirray.evaluation.cases import Section
from cirray.pages import Curve, Panel, draw, render
from cirray.storage import Location
from cirray.tracking.summary import LOSS, MEMORY, NORM, RATE, SPEED, VALIDATION, WAITING, Point, RunSummary

PAGE, SUMMARY = "report.html", "summary.json"


def write_page(folder: Location, summary: RunSummary, sections: Sequence[Section] = ()) -> None:
    """Write a run's page, and what it tells for programs, into the run's folder.

    Raises:
        StorageError: they cannot be written.
    """
    (folder / SUMMARY).write(summary.model_dump_json(indent=1).encode(), durable=False)
    (folder / PAGE).write(page(summary, sections).encode(errors="replace"), durable=False)


def read_summary(folder: Location) -> RunSummary | None:
    """Return what was written with the page, or None where there is none that can be read.

    Raises:
        StorageError: the folder cannot be read.
    """
    place = folder / SUMMARY
    try:
        return RunSummary.model_validate_json(place.read()) if place.exists() else None
    except ValidationError:
        return None  # of another version of cirray: it is written anew


def page(summary: RunSummary, sections: Sequence[Section] = ()) -> str:
    """Return the page: one HTML file that needs nothing from outside."""
    names = list(dict.fromkeys(name for point in summary.points for name in point.values))
    return render(
        "run.html",
        "cirray.tracking",
        title=summary.name,
        run=summary,
        curves=draw(panels_of(summary.points)) if summary.points else "",
        names=names,
        settings=json.dumps(summary.settings, indent=1, ensure_ascii=False),
        sections=sections,
    )


def panels_of(points: Sequence[Point]) -> list[Panel]:
    """Return the curves of a run, those that it has values for."""
    rate = Panel("Learning rate", _group(points, RATE), "Of each group of weights, after the epoch.", from_zero=True)
    norm = "Mean over the steps, before clipping."
    waiting = "Share of the time in which the first worker waited for the next batch."
    memory = "Highest so far of the first worker: of its GPU in the epoch, or else of its process since it began."
    panels = [
        Panel("Loss", _without_copies(_group(points, LOSS)), "Means over the steps of an epoch."),
        *(_recall(points, protocol) for protocol in _protocols(points)),
        rate,
        Panel("Gradient norm", _single(points, NORM, "norm"), norm, from_zero=True),
        Panel("Triplets a second", _single(points, SPEED, "all workers together"), from_zero=True),
        Panel("Waiting for data, %", _single(points, WAITING, "waiting", 100), waiting, from_zero=True),
        Panel("Peak memory, MiB", _single(points, MEMORY, "peak"), memory, from_zero=True),
    ]
    return [panel for panel in panels if panel.curves]


def _protocols(points: Sequence[Point]) -> list[str]:
    names = (name.split("/") for point in points for name in point.values if name.startswith(f"{VALIDATION}/"))
    return list(dict.fromkeys(parts[1] for parts in names))


def _recall(points: Sequence[Point], protocol: str) -> Panel:
    note = f'On the validation split under protocol {protocol}; "mean" is the protocol\'s headline.'
    return Panel("Validation, %", _group(points, f"{VALIDATION}/{protocol}"), note)


def _group(points: Sequence[Point], group: str) -> list[Curve]:
    names = dict.fromkeys(name for point in points for name in point.values if name.startswith(f"{group}/"))
    return [curve for name in names for curve in _single(points, name, name[len(group) + 1 :])]


def _single(points: Sequence[Point], name: str, label: str, factor: float = 1.0) -> list[Curve]:
    values = {point.epoch: factor * point.values[name] for point in points if name in point.values}
    return [Curve(label, values)] if values else []


def _without_copies(curves: Sequence[Curve]) -> list[Curve]:
    """Return the curves, those with the same values as one: the total of a single loss is that loss."""
    kept: list[Curve] = []
    for curve in curves:
        same = next((place for place, other in enumerate(kept) if other.values == curve.values), None)
        if same is None:
            kept.append(curve)
        else:
            kept[same] = Curve(f"{kept[same].name} = {curve.name}", curve.values)
    return kept
