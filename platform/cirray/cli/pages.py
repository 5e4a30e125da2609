"""Writes the pages of evaluations and comparisons."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from cirray.bundles import EvaluationRecord, page_place, read_outcomes
from cirray.datasets import PreparedDataset
from cirray.evaluation import Difference
from cirray.evaluation.cases import comparison_sections, evaluation_sections
from cirray.evaluation.page import render_comparison, render_evaluation
from cirray.storage import Artifact, Location


def write_evaluation_page(artifact: Artifact, dataset: PreparedDataset, record: EvaluationRecord) -> Location:
    """Write the page of an evaluation beside its record, and return its place.

    Raises:
        ArtifactError: the record or the dataset is damaged.
        StorageError: it cannot be written.
    """
    sections = evaluation_sections(read_outcomes(artifact, record), dataset)
    facts = {"model": record.model, **_data_facts(record)}
    title = f"{artifact.manifest.name}: {record.protocol}"
    page = render_evaluation(title, facts, record.metrics, record.intervals, record.categories, sections)
    place = page_place(artifact, record)
    place.write(page.encode(errors="replace"))
    return place


def comparison_page(
    records: tuple[EvaluationRecord, EvaluationRecord],
    outcomes: tuple[pa.Table, pa.Table],
    differences: Mapping[str, Difference],
    dataset: PreparedDataset,
) -> bytes:
    """Return the page of a comparison of two evaluations on one dataset."""
    first, second = records
    facts = {"first": first.model, "second": second.model, **_data_facts(first)}
    sections = comparison_sections(*outcomes, (first.model, second.model), dataset)
    title = f"{first.model.partition('@')[0]} and {second.model.partition('@')[0]}: {first.protocol}"
    return render_comparison(title, facts, differences, sections).encode(errors="replace")


def _data_facts(record: EvaluationRecord) -> dict[str, str]:
    return {
        "dataset": f"{record.dataset}, split {record.split}",
        "protocol": record.protocol,
        "queries": f"{record.num_queries:,}",
        "gallery": f"{record.num_gallery:,}",
        "code": record.code[:16],
    }
