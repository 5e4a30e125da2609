"""Writes the pages of evaluations, comparisons and runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa

from cirray.bundles import Bundle, EvaluationRecord, page_place, read_outcomes
from cirray.cli.display import Display
from cirray.datasets import PreparedDataset
from cirray.errors import CirrayError
from cirray.evaluation import Difference, protocol_of, protocols
from cirray.evaluation.cases import Section, comparison_sections, evaluation_sections
from cirray.evaluation.page import render_comparison, render_evaluation
from cirray.recipes import RunConfig
from cirray.storage import Artifact, Location
from cirray.tracking import PAGE, read_summary, write_page
from cirray.tracking.pictures import retrieved


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


def write_run_page(
    folder: Location, artifact: Artifact, config: RunConfig, dataset: PreparedDataset, display: Display
) -> str:
    """Put retrieved pictures on the page of a finished run, where it has none, and return the page's URI.

    A run without a page, from before there were any or since deleted, has the URI "". What keeps pictures from being
    drawn is told: the model is whole without them.

    Args:
        folder: of the run.
        artifact: the bundle that the run has made.
        config: of the run.
        dataset: that it was trained on.
        display: for progress.
    """
    try:
        summary = read_summary(folder)
        if summary is None:
            return ""
        if not summary.pictures:
            with display.step("draw what the model retrieves"):
                section = _retrieved(artifact, config, dataset)
                write_page(folder, summary.model_copy(update={"pictures": True}), [section])
    except CirrayError as error:
        display.say(f"the run's page has no pictures: {error}")
    return (folder / PAGE).uri


def _retrieved(artifact: Artifact, config: RunConfig, dataset: PreparedDataset) -> Section:
    """Return what a model retrieves on the split that it was validated on, else on one that it was not trained on."""
    from cirray.training.held_out import HELD_OUT, with_held_out

    validation, whole = config.training.validation, with_held_out(config, dataset)
    named = protocols[validation.protocol] if validation and validation.protocol else protocol_of(dataset.reader)
    wanted = (*([validation.split] if validation else []), HELD_OUT, "val", "test", config.split)
    usable = (name for name in wanted if name in whole.splits and _has_targets(whole, name))
    split = next(usable, config.split)
    section = retrieved(Bundle.open(artifact), whole, split, named)
    if split == config.split:
        section = replace(section, note=f"{section.note} The model was trained on these very triplets.")
    return section


def _has_targets(dataset: PreparedDataset, split: str) -> bool:
    triplets = dataset.triplets(split)
    return triplets.num_rows > 0 and all(triplets["target_id"].to_pylist())


def _data_facts(record: EvaluationRecord) -> dict[str, str]:
    return {
        "dataset": f"{record.dataset}, split {record.split}",
        "protocol": record.protocol,
        "queries": f"{record.num_queries:,}",
        "gallery": f"{record.num_gallery:,}",
        "code": record.code[:16],
    }
