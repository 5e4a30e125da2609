"""`cirray submit`: the files for a benchmark whose server alone knows the targets."""

from __future__ import annotations

from typing import Any

from cirray.bundles import Bundle, BundleDetails
from cirray.cli.display import Display
from cirray.cli.operations import open_dataset, open_model, versioned
from cirray.evaluation import protocol_of, protocols
from cirray.evaluation.submission import submission_files
from cirray.storage import Location, Root


def write_submission(
    root: Root, model: str, dataset: str | None, protocol: str | None, out: str, display: Display
) -> dict[str, Any]:
    """Rank the split with hidden targets, and write the files to be sent.

    Args:
        root: of everything.
        model: by name.
        dataset: whose split; by default of the one that the model was trained on.
        protocol: how queries are put; by default the dataset's own.
        out: folder or prefix of the files.
        display: that progress is shown on.
    """
    artifact = open_model(root, model)
    data = open_dataset(root, dataset or artifact.details(BundleDetails).dataset)
    rules = protocols[protocol] if protocol else protocol_of(data.reader)
    place = Location.parse(out)
    with display.step(f"rank for {data.reader}'s server") as step:
        files = submission_files(Bundle.open(artifact), data, rules, step)
        for name, content in files.items():
            (place / name).write(content)
    return {
        "model": versioned(artifact),
        "dataset": f"{data.name}@{data.artifact.version}",
        "protocol": rules.name,
        "files": {f"{place.uri}/{name}": len(content) for name, content in files.items()},
    }
