"""The benchmark of training: our loop against a bare one, workers, composers, checkpoints, losses, and a GPU."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch

from cirray.cli.benchmark import Results
from cirray.cli.benchmark_conditions import environment
from cirray.cli.benchmark_training_checkpoints import measure_checkpoints
from cirray.cli.benchmark_training_composers import measure_composers
from cirray.cli.benchmark_training_gpu import measure_gpu
from cirray.cli.benchmark_training_loop import measure_loop
from cirray.cli.benchmark_training_losses import check_peers, measure_losses
from cirray.cli.benchmark_training_settings import DATASET, QUICK, Part, TrainingSettings
from cirray.cli.benchmark_training_workers import measure_workers
from cirray.cli.display import Display
from cirray.cli.methods import methods_of
from cirray.cli.operations import generate_world, open_dataset, prepare_dataset
from cirray.cluster import ray_cluster
from cirray.datasets import CACHE_VARIABLE, PreparedDataset
from cirray.datasets.css import CssConfig
from cirray.storage import Root

__all__ = ["QUICK", "TrainingSettings", "run_benchmark"]

ON_A_WORLD: tuple[Part, ...] = ("loop", "workers", "checkpoints")
"""Parts that train on a generated world; the others draw what they need, and want no Ray."""


def run_benchmark(settings: TrainingSettings, display: Display) -> Results:
    """Measure the parts that are asked for, in a folder that is deleted afterwards, and return the results.

    Raises:
        ConfigError: a library that losses are compared with is not installed.
        UnknownNameError: a pattern of the composers matches none.
    """
    _check(settings)
    results = Results("training", settings.model_dump(mode="json"))
    with tempfile.TemporaryDirectory(prefix="cirray-benchmark-") as name:
        folder = Path(name)
        # Ray gives its workers less of a busy machine than other processes get; here all are to get the same.
        with environment(**{CACHE_VARIABLE: str(folder / "cache"), "RAY_worker_niceness": "0"}):
            _measure(results, settings, folder, display)
    return results


def _check(settings: TrainingSettings) -> None:
    """Tell now, and not after minutes, what one part or another would fail at."""
    if "losses" in settings.parts:
        check_peers()
    if "composers" in settings.parts:
        methods_of(DATASET, settings.methods)


def _measure(results: Results, settings: TrainingSettings, folder: Path, display: Display) -> None:
    on_a_world = [part for part in settings.parts if part in ON_A_WORLD]
    with ray_cluster() if on_a_world else nullcontext():
        if on_a_world:
            root = Root.open(str(folder / "root"), create=True)
            dataset = _world(root, settings, display)
            _measure_on(results, settings, root, dataset, folder, display)
    alone: dict[Part, Callable[[], None]] = {
        "composers": lambda: measure_composers(results, settings),
        "losses": lambda: measure_losses(results, settings, folder / "losses"),
        "gpu": lambda: _measure_gpu(results, settings, display),
    }
    _each(alone, settings, display)


def _measure_on(
    results: Results, settings: TrainingSettings, root: Root, dataset: PreparedDataset, folder: Path, display: Display
) -> None:
    parts: dict[Part, Callable[[], None]] = {
        "loop": lambda: measure_loop(results, settings, dataset),
        "workers": lambda: measure_workers(results, settings, root, dataset),
        "checkpoints": lambda: measure_checkpoints(results, settings, dataset, folder),
    }
    _each(parts, settings, display)


def _each(parts: dict[Part, Callable[[], None]], settings: TrainingSettings, display: Display) -> None:
    for part, measure in parts.items():
        if part in settings.parts:
            with display.step(f"measure {part}"):
                measure()


def _world(root: Root, settings: TrainingSettings, display: Display) -> PreparedDataset:
    generate_world(root, DATASET, CssConfig(num_scenes=settings.scenes, seed=settings.seed), display)
    prepare_dataset(root, DATASET, DATASET, None, (), display)
    return open_dataset(root, DATASET)


def _measure_gpu(results: Results, settings: TrainingSettings, display: Display) -> None:
    if torch.cuda.is_available():
        measure_gpu(results, settings, torch.device("cuda"))
    else:
        display.say("There is no GPU here that torch can use: nothing is measured on one.")
