"""Ray Train's elasticity, held to numbers of workers that can share a batch equally.

Ray takes any number between the two that it is given, and counts fractions of a CPU by dividing floats. Both are
decided in one method of its scaling policy, which has no public name: the pinned version of Ray has it, and a test
holds that.
"""

from __future__ import annotations

import math
from typing import Any

from ray.train.v2._internal.execution.scaling_policy import ElasticScalingPolicy
from ray.train.v2.api.config import ScalingConfig
from ray.train.v2.torch.torch_trainer import TorchTrainer

from cirray.training.scaling import most_that_divide

ROUNDING = 1e-6


class SharingPolicy(ElasticScalingPolicy):
    """Takes as many workers as there is room for and a batch can be shared by."""

    def __init__(self, scaling_config: ScalingConfig, batch_size: int) -> None:
        super().__init__(scaling_config)
        self.batch_size = batch_size

    def _count_possible_workers(self, reserved_resources: dict[str, dict[str, float]]) -> int:
        needed: dict[str, float] = self.scaling_config._resources_per_worker_not_none
        room = sum(
            min(math.floor(node.get(name, 0.0) / amount + ROUNDING) for name, amount in needed.items() if amount)
            for node in reserved_resources.values()
        )
        return most_that_divide(self.batch_size, min(room, self.scaling_config.max_workers))


class SharingTrainer(TorchTrainer):
    """A trainer whose number of workers, where it may change, always shares the batch equally."""

    def __init__(self, *arguments: Any, batch_size: int, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._batch_size = batch_size

    def _initialize_and_run_controller(self, **parts: Any) -> Any:
        scaling = self.scaling_config
        if isinstance(scaling, ScalingConfig) and scaling.elasticity_enabled:
            parts["scaling_policy"] = SharingPolicy(scaling, self._batch_size)
        return super()._initialize_and_run_controller(**parts)
