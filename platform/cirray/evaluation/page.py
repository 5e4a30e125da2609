"""The pages of an evaluation and of a comparison: figures with their intervals, and queries as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cirray.evaluation.cases import Section
from cirray.evaluation.comparison import Difference
from cirray.evaluation.intervals import Interval
from cirray.evaluation.outcomes import Metrics
from cirray.pages import render


def render_evaluation(
    title: str,
    facts: Mapping[str, str],
    metrics: Metrics,
    intervals: Mapping[str, Interval],
    categories: Mapping[str, Metrics],
    sections: Sequence[Section],
) -> str:
    """Return the page of one evaluation, one HTML file without outside parts.

    Args:
        title: of the page.
        facts: what was evaluated on what.
        metrics: in percent.
        intervals: of the metrics.
        categories: metrics of each category, where there are some.
        sections: queries.
    """
    header = ["", *metrics]
    rows = [["all", *(_with_interval(metrics[name], intervals.get(name)) for name in metrics)]]
    rows += [[category, *(f"{found[name]:.2f}" for name in metrics)] for category, found in categories.items()]
    note = "In brackets the 95 % interval by the bootstrap over queries: what other queries of their kind might give."
    return _render(title, facts, header, rows, note, sections)


def render_comparison(
    title: str, facts: Mapping[str, str], differences: Mapping[str, Difference], sections: Sequence[Section]
) -> str:
    """Return the page of a comparison of two models, one HTML file without outside parts.

    Args:
        title: of the page.
        facts: what was compared on what.
        differences: by metric.
        sections: queries.
    """
    header = ["", "first", "second", "difference", "only first", "only second", "McNemar's p"]
    rows = []
    for name, found in differences.items():
        difference = _with_interval(found.difference, (found.low, found.high), signed=True)
        test = found.mcnemar
        counts = [f"{test.only_first:,}", f"{test.only_second:,}", f"{test.p_value:.2g}"] if test else ["", "", ""]
        rows.append([name, f"{found.first:.2f}", f"{found.second:.2f}", difference, *counts])
    note = (
        "Second less first, in brackets the 95 % interval by the paired bootstrap over queries. Only first and only "
        "second count the queries that one model finds and the other does not; p is that of the exact McNemar test."
    )
    return _render(title, facts, header, rows, note, sections)


def _with_interval(value: float, interval: Interval | None, *, signed: bool = False) -> str:
    form = "+.2f" if signed else ".2f"
    told = f"{value:{form}}"
    return f"{told} [{interval[0]:{form}}, {interval[1]:{form}}]" if interval else told


def _render(
    title: str,
    facts: Mapping[str, str],
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    note: str,
    sections: Sequence[Section],
) -> str:
    values = {"title": title, "facts": facts, "header": header, "rows": rows, "note": note, "sections": sections}
    return render("evaluation.html", "cirray.evaluation", **values)
