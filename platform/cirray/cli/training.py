"""What `cirray train` does, whether a person types it, a job runs it, or the demo does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cirray.cli.display import Display
from cirray.cli.operations import Result, open_dataset, versioned
from cirray.cli.pages import write_run_page
from cirray.config import override
from cirray.recipes import recipes
from cirray.storage import Root

if TYPE_CHECKING:
    from cirray.training.progress import EpochReport


def train_model(
    root: Root,
    recipe: str,
    dataset: str | None,
    workers: int,
    gpu: bool,
    assignments: Sequence[str],
    display: Display,
    min_workers: int | None = None,
) -> Result:
    """Train the model of a recipe; where the same run was finished before, return its bundle at once."""
    from cirray.training import Scaling, TrainingDetails, folder_of, train

    config = override(recipes[recipe](), assignments)
    scaling = override(
        Scaling(), [f"workers={workers}", f"min_workers={json.dumps(min_workers)}", f"gpu={json.dumps(gpu)}"]
    )
    data = open_dataset(root, dataset or config.dataset)
    with display.step(f"train {config.name}") as step:
        artifact, trained = train(
            root,
            config,
            data,
            scaling,
            on_heartbeat=lambda heartbeat: step(heartbeat.step, heartbeat.steps, f"loss {heartbeat.loss:.3f}"),
            on_said=display.say,
            on_epoch=lambda report: display.say(in_a_line(report, config.training.epochs)),
        )
    if not trained:
        display.say(f"unchanged: {artifact.place}")
    page = write_run_page(folder_of(root, artifact), artifact, config, data, display)
    details = artifact.details(TrainingDetails)
    history = [epoch.model_dump() for epoch in details.history]
    return {
        "model": versioned(artifact),
        "uri": artifact.place.uri,
        "changed": trained,
        "epochs": len(history),
        "bundled_epoch": details.epoch,
        "loss": history[-1]["losses"]["total"],
        "triplets_per_s": history[-1]["triplets_per_s"],
        "report": page,
        "history": history,
    }


def in_a_line(report: EpochReport, epochs: int) -> str:
    """Return what an epoch came to, for a log."""
    parts = ", ".join(f"{name} {value:.3f}" for name, value in report.losses.items() if name != "total")
    found = ", ".join(f"{name} {value:.2f}" for name, value in report.validation.items())
    return (
        f"epoch {report.epoch} of {epochs}: loss {report.losses['total']:.3f} ({parts}), "
        f"learning rate {report.learning_rate:.3g}, gradient {report.gradient_norm:.3g}, "
        f"{report.triplets_per_s:.0f} triplets/s, {100 * report.waiting:.0f} % waiting, "
        f"{report.peak_memory_mib:,.0f} MiB{f'; validation {found}' if found else ''}"
    ).replace(" ()", "")
