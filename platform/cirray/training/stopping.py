"""When training stops before its last epoch, and which of its epochs was the best."""

from __future__ import annotations

from collections.abc import Sequence

from cirray.errors import ConfigError
from cirray.recipes import ValidationConfig
from cirray.training.progress import EpochReport


def score_of(config: ValidationConfig, report: EpochReport) -> float | None:
    """Return the metric by which epochs are compared, or None where the epoch was not validated.

    Raises:
        ConfigError: the validation has no such metric.
    """
    if not report.validation:
        return None
    if config.metric not in report.validation:
        raise ConfigError(
            f"training.validation.metric is {config.metric!r}; the protocol's metrics are "
            f"{', '.join(sorted(report.validation))}.",
            hint="Set it to one of these.",
        )
    return report.validation[config.metric]


def best_epoch(config: ValidationConfig, history: Sequence[EpochReport]) -> EpochReport | None:
    """Return the first of the epochs with the best metric, or None where none was validated."""
    scored = [(score, report) for report in history if (score := score_of(config, report)) is not None]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def stops_early(config: ValidationConfig | None, history: Sequence[EpochReport]) -> bool:
    """Return whether the last `patience` validations brought no new best.

    It follows from the history alone, so that a run that goes on from a checkpoint stops where one that was never
    interrupted would.
    """
    if config is None or config.patience is None:
        return False
    best, since = float("-inf"), 0
    for report in history:
        if (score := score_of(config, report)) is None:
            continue
        best, since = (score, 0) if score > best + config.min_delta else (best, since + 1)
    return since >= config.patience
