"""What `cirray train` does, whether a person types it, a job runs it, or the demo does."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cirray.cli.display import Display
from cirray.cli.operations import Result, open_dataset, versioned
from cirray.config import override
from cirray.recipes import recipes
from cirray.storage import Root


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
    from cirray.training import Scaling, TrainingDetails, train

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
        )
    if not trained:
        display.say(f"unchanged: {artifact.place}")
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
        "history": history,
    }
