"""What a run's trackers and its page are told of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cirray.datasets import PreparedDataset
from cirray.recipes import RunConfig
from cirray.storage import Artifact, Location, Root, library_versions
from cirray.storage.fingerprint import VERSION_LENGTH, code_version
from cirray.tracking import Following, Point, RunSummary, TrackedRun, trackers
from cirray.tracking.summary import LOSS, MEMORY, NORM, RATE, SPEED, VALIDATION, WAITING
from cirray.training.progress import EpochReport
from cirray.training.scaling import Scaling
from cirray.training.validation import protocol_for


def run_folder(root: Root, name: str, identity: str) -> Location:
    """Return the folder of a run by the name of its recipe and its fingerprint."""
    return root.runs() / f"{name.replace('/', '--')}-{identity[:VERSION_LENGTH]}"


def folder_of(root: Root, bundle: Artifact) -> Location:
    """Return the folder of the run that a bundle was made by."""
    return run_folder(root, bundle.manifest.name, bundle.manifest.fingerprint)


def following(
    config: RunConfig,
    dataset: PreparedDataset,
    scaling: Scaling,
    identity: str,
    folder: Location,
    say: Callable[[str], None],
) -> Following:
    """Return what follows a run, for a `with` block.

    Args:
        config: of the run.
        dataset: with what the run holds out of it.
        scaling: workers.
        identity: fingerprint of the run.
        folder: of the run.
        say: told what befalls the run.

    Raises:
        ConfigError: a tracker's package is not installed.
    """
    settings = config.model_dump(mode="json")
    run = TrackedRun(config.name, identity, folder, settings)
    chosen = [trackers[choice.name](choice, run) for choice in config.training.tracking]
    summary = RunSummary(
        name=config.name,
        identity=identity,
        epochs=config.training.epochs,
        facts=_facts(config, dataset, scaling, identity),
        settings=settings,
    )
    return Following(summary, folder, chosen, say)


def points_of(history: Sequence[EpochReport], protocol: str) -> tuple[Point, ...]:
    """Return what epochs came to, as trackers and the page have it.

    Args:
        history: reports of epochs.
        protocol: name of the one that they were validated under, if they were.
    """
    return tuple(Point(epoch=report.epoch, values=_values(report, protocol)) for report in history)


def protocol_name(config: RunConfig, dataset: PreparedDataset) -> str:
    """Return the name of the protocol that a run is validated under, or "" where it is not."""
    validation = config.training.validation
    return protocol_for(validation, dataset).name if validation is not None else ""


def _values(report: EpochReport, protocol: str) -> dict[str, float]:
    return {
        **{f"{LOSS}/{name}": value for name, value in report.losses.items()},
        **{f"{VALIDATION}/{protocol}/{name}": value for name, value in report.validation.items()},
        **{f"{RATE}/{name}": value for name, value in report.learning_rates.items()},
        NORM: report.gradient_norm,
        SPEED: report.triplets_per_s,
        WAITING: report.waiting,
        MEMORY: report.peak_memory_mib,
    }


def _facts(config: RunConfig, dataset: PreparedDataset, scaling: Scaling, identity: str) -> dict[str, str]:
    training, model, versions, code = config.training, config.model, library_versions(), code_version()
    validation = training.validation
    measured = (
        f"split {validation.split} under protocol {protocol_name(config, dataset)}, every {validation.every} epochs"
        if validation is not None
        else "none"
    )
    share = f", without the {100 * config.hold_out.share:g} % held out" if config.hold_out is not None else ""
    workers = f"{scaling.fewest} to {scaling.workers}" if scaling.elastic else str(scaling.workers)
    return {
        "run": identity[:VERSION_LENGTH],
        "dataset": f"{dataset.name}@{dataset.artifact.version}",
        "trained on": f"split {config.split}{share}",
        "validation": measured,
        "composer": model.composer.name,
        "image encoder": model.image_encoder.name,
        "text encoder": model.text_encoder.name,
        "losses": ", ".join(config.objective),
        "batch": f"{training.batch_size} triplets over all workers",
        "workers": f"{workers}, on {'a GPU each' if scaling.gpu else 'CPUs'}",
        "seed": str(config.seed),
        "code": f"commit {code.commit}" if code.commit else f"sources {code.sources[:VERSION_LENGTH]}",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
