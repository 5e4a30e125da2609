"""How many workers there may be: all that fit and share the batch equally, between the fewest and the most."""

from __future__ import annotations

from typing import Any

import pytest
import ray
from ray.train.v2._internal.execution.scaling_policy import ElasticScalingPolicy, FixedScalingPolicy
from ray.train.v2.api.config import ScalingConfig
from ray.train.v2.torch.torch_trainer import TorchTrainer

from cirray.config import override
from cirray.encoders import Vocabulary
from cirray.errors import ConfigError, TrainingError
from cirray.recipes import recipes
from cirray.training.checks import check_batch, check_buildable
from cirray.training.elastic import SharingPolicy, SharingTrainer
from cirray.training.scaling import Scaling, check_share, most_that_divide, resources_per_worker


@pytest.mark.parametrize("batch_size", range(1, 30))
@pytest.mark.parametrize("workers", range(12))
def test_the_most_that_divide(batch_size: int, workers: int) -> None:
    dividing = [number for number in range(1, workers + 1) if batch_size % number == 0]
    assert most_that_divide(batch_size, workers) == max(dividing, default=0)


@pytest.mark.parametrize(
    ("batch_size", "workers", "fewest", "fits"),
    [(32, 4, None, True), (32, 3, None, False), (32, 3, 1, True), (32, 3, 3, False), (31, 8, 2, False)],
)
def test_a_batch_is_shared_equally_or_refused(batch_size: int, workers: int, fewest: int | None, fits: bool) -> None:
    scaling = Scaling(workers=workers, min_workers=fewest)
    if fits:
        check_share(batch_size, scaling)
        return
    with pytest.raises(ConfigError, match=rf"batch_size {batch_size} cannot be shared.*multiple of {workers}"):
        check_share(batch_size, scaling)


def test_the_fewest_are_not_more_than_all() -> None:
    with pytest.raises(ConfigError, match="min_workers is 3, more than workers, 2"):
        Scaling(workers=2, min_workers=3)
    assert not Scaling(workers=2, min_workers=2).elastic
    assert Scaling(workers=2).fewest == 2


def counted(nodes: list[dict[str, float]], cpu: float, batch_size: int, most: int, gpu: float = 0.0) -> int:
    each = {"CPU": cpu, **({"GPU": gpu} if gpu else {})}
    scaling = ScalingConfig(num_workers=(1, most), use_gpu=bool(gpu), resources_per_worker=each)
    policy = SharingPolicy(scaling, batch_size)
    return policy._count_possible_workers({str(number): node for number, node in enumerate(nodes)})


@pytest.mark.parametrize(
    ("nodes", "cpu", "batch_size", "most", "expected"),
    [
        ([{"CPU": 2.0}, {"CPU": 2.0}], 0.75, 32, 4, 4),
        ([{"CPU": 2.0}], 0.75, 32, 4, 2),
        ([{"CPU": 2.0}, {"CPU": 1.0}], 0.75, 32, 4, 2),  # three do not share 32
        ([{"CPU": 2.0}, {"CPU": 1.0}], 0.75, 30, 4, 3),
        ([{"CPU": 0.99}], 0.33, 30, 3, 3),  # three times 0.33, where dividing floats gives two
        ([{"CPU": 1.5}, {"CPU": 0.5}], 0.75, 32, 4, 2),  # a worker is on one node
        ([], 0.75, 32, 4, 0),
        ([{"CPU": 64.0}], 0.75, 32, 4, 4),
    ],
)
def test_as_many_as_there_is_room_for_and_share_the_batch(
    nodes: list[dict[str, float]], cpu: float, batch_size: int, most: int, expected: int
) -> None:
    assert counted(nodes, cpu, batch_size, most) == expected


def test_the_scarcest_resource_counts() -> None:
    assert counted([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 1.0, "GPU": 8.0}], 1.0, 32, 8, gpu=1.0) == 2  # of three


@pytest.mark.parametrize(("number", "policy"), [((1, 4), SharingPolicy), (4, FixedScalingPolicy)])
def test_the_trainer_gives_ray_that_policy(
    number: int | tuple[int, int], policy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also that this Ray still has what is overridden."""
    assert callable(ElasticScalingPolicy._count_possible_workers)
    given: list[Any] = []

    def run(self: TorchTrainer, **parts: Any) -> Any:
        given.append(parts["scaling_policy"])

    monkeypatch.setattr(TorchTrainer, "_initialize_and_run_controller", run)
    config = ScalingConfig(num_workers=number)
    trainer = SharingTrainer(lambda: None, batch_size=32, scaling_config=config)
    trainer._initialize_and_run_controller(scaling_policy=FixedScalingPolicy(config))
    assert [type(each) for each in given] == [policy]


@pytest.mark.parametrize(
    ("cluster", "scaling", "cpus"),
    [
        ({"CPU": 4.0}, Scaling(workers=4, min_workers=1), 0.75),
        ({"CPU": 2.0}, Scaling(workers=4, min_workers=2), 0.25),
        ({"CPU": 2.0}, Scaling(workers=64, min_workers=2), 0.1),
        ({"CPU": 16.0, "GPU": 1.0}, Scaling(workers=2, min_workers=1, gpu=True), 1.0),
    ],
)
def test_a_run_that_may_shrink_starts_on_what_there_is(
    cluster: dict[str, float], scaling: Scaling, cpus: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: cluster)
    assert resources_per_worker(scaling)["CPU"] == cpus


def test_with_less_than_the_fewest_need_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 16.0, "GPU": 1.0})
    with pytest.raises(TrainingError, match="2 workers need a GPU each; the cluster has 1"):
        resources_per_worker(Scaling(workers=4, min_workers=2, gpu=True))
    with pytest.raises(TrainingError, match="151 workers do not fit a cluster of 16 CPUs"):
        resources_per_worker(Scaling(workers=200, min_workers=151))


def test_a_batch_that_is_too_small_for_a_loss_is_refused() -> None:
    objective = "objective={retrieval: {name: sampled-classification, candidates: 9}}"
    config = override(recipes["css-2d/tirg-last-conv"](), [objective, "training.batch_size=8"])
    with pytest.raises(ConfigError, match=r"is 8, but.*sampled-classification.*objective\.retrieval.*needs 9"):
        check_batch(config)
    check_batch(override(config, ["training.batch_size=9"]))


def test_a_share_that_is_too_small_for_a_batch_norm_is_refused() -> None:
    shared = override(recipes["css-2d/tirg-last-conv"](), ["training.batch_size=4"])
    alone = override(shared, ["training.batch_statistics=worker"])
    vocabulary = Vocabulary(tokenizer="tirg", words=("a",))
    with pytest.raises(ConfigError, match=r"leaves each of 4 workers one example.*to all-workers"):
        check_buildable(alone, vocabulary, Scaling(workers=4))
    check_buildable(alone, vocabulary, Scaling(workers=2))
    check_buildable(shared, vocabulary, Scaling(workers=4))
    check_buildable(override(shared, ["training.batch_statistics=frozen"]), vocabulary, Scaling(workers=4))
