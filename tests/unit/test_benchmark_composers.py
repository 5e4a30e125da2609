"""The benchmark of composers: every recipe of a small world can be timed."""

from __future__ import annotations

from cirray.cli.benchmark_composers import QUICK, run_benchmark
from cirray.config import override
from cirray.recipes import recipes


def test_every_method_is_timed_beside_its_encoders() -> None:
    settings = override(QUICK, ["batch_size=4", "repeats=1"])
    found = {each.name: each.value for each in run_benchmark(settings).measurements}
    methods = [name.partition("/")[2] for name in recipes.names("css-2d/*")]
    for method in methods:
        assert found[f"{method}: step"] > 0
        assert found[f"{method}: encoders"] > 0
        assert found[f"{method}: step / encoders"] > 0


def test_patterns_choose_methods_and_a_resnet_takes_the_small_encoders_place() -> None:
    settings = override(QUICK, ["batch_size=2", "repeats=1", "resnet=18", "side=64", "methods=concat,val"])
    found = run_benchmark(settings).measurements
    assert {each.name.partition(":")[0] for each in found} == {"concat", "val"}
