"""Two workers against one, as real runs of Ray Train on the same cores."""

from __future__ import annotations

from statistics import median

from cirray.cli.benchmark import Measurement, Results
from cirray.cli.benchmark_conditions import in_turn, median_ratio
from cirray.cli.benchmark_training_loop import sized
from cirray.cli.benchmark_training_settings import TrainingSettings
from cirray.cluster import usable_cores
from cirray.datasets import PreparedDataset
from cirray.storage import Root
from cirray.training import Scaling, TrainingDetails, train


def measure_workers(results: Results, settings: TrainingSettings, root: Root, dataset: PreparedDataset) -> None:
    """Time the epochs of runs with one worker and with two, in turn; both have the same cores."""
    config = sized(settings, epochs=settings.run_epochs, batch_size=settings.batch_size)

    def run(workers: int, turn: int) -> float:
        # A name of its own, or the run would be found finished.
        own = config.model_copy(update={"name": f"benchmark/workers-{workers}-turn-{turn}"})
        bundle, _ = train(root, own, dataset, Scaling(workers=workers))
        # In the first epoch processes warm up.
        return median(each.triplets_per_s for each in bundle.details(TrainingDetails).history[1:])

    rates = in_turn({"one": lambda turn: run(1, turn), "two": lambda turn: run(2, turn)}, settings.runs)
    cores = usable_cores()
    results.add(
        Measurement("one worker", median(rates["one"]), "triplets/s", note=f"{cores} threads: all cores are its own"),
        Measurement("two workers", median(rates["two"]), "triplets/s", note=f"{max(1, cores // 2)} threads each"),
        Measurement(
            "two workers / one", median_ratio(rates["two"], rates["one"]), "ratio", note="on the same cores, by gloo"
        ),
    )
