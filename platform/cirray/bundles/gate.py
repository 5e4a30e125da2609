"""The gate in front of an alias: a model passes by what was measured, on the same queries as the one before it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cirray.bundles.evaluations import EvaluationRecord, find_evaluation, list_evaluations
from cirray.config import Config
from cirray.datasets import PreparedDataset
from cirray.errors import ConfigError, PromotionError
from cirray.evaluation import Protocol
from cirray.storage import Artifact

ROUNDING = 1e-9
"""Percent. Far below what one query among a hundred million makes, far above what floats lose."""


class Verdict(Config):
    """What a gate found, for the record.

    Attributes:
        dataset: "name@version" on which both models were measured.
        dataset_fingerprint: of its content.
        split: whose queries.
        protocol: by whose rules.
        metric: that was compared.
        value: of the candidate, in percent.
        live: version of the model that it was compared with; null where there was none.
        live_value: of that one.
        margin: by which the candidate had to be better, in percentage points.
        minimum: that it had to reach, in percent; null for none.
    """

    dataset: str
    dataset_fingerprint: str
    split: str
    protocol: str
    metric: str
    value: float
    live: str | None
    live_value: float | None
    margin: float
    minimum: float | None


@dataclass(frozen=True)
class Gate:
    """What a model must come to before an alias may point at it. Of every metric, more is better.

    Attributes:
        dataset: on which both models must have been measured, the same content of it.
        protocol: by whose rules.
        split: whose queries.
        metric: that is compared; "mean" is the protocol's headline.
        margin: by which the candidate must be better, in percentage points; with 0, by anything at all.
        minimum: that it must reach, in percent, also where there is none to compare with; None for no such demand.
    """

    dataset: PreparedDataset
    protocol: Protocol
    split: str = "test"
    metric: str = "mean"
    margin: float = 0.0
    minimum: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.margin) and self.margin >= 0):
            raise ConfigError(f"The margin is {self.margin}.", hint="Give percentage points, 0 or more.")
        if self.minimum is not None and not math.isfinite(self.minimum):
            raise ConfigError(f"The minimum is {self.minimum}.", hint="Give a value of the metric, in percent.")
        if self.metric not in (known := self.protocol.metric_names):
            raise ConfigError(
                f"Protocol {self.protocol.name} has no metric {self.metric!r}; there are: {', '.join(known)}."
            )

    def judge(self, candidate: Artifact, live: Artifact | None) -> Verdict:
        """Return the verdict on a bundle that may take the place of `live`, where there is one.

        Raises:
            ArtifactError: an evaluation is corrupt.
            PromotionError: one of them was not measured on this data, or the candidate is not good enough.
        """
        value = self._value(candidate, "candidate")
        live_value = self._value(live, "live") if live else None
        if reason := refusal(value, live_value, self.margin, self.minimum):
            raise PromotionError(
                f"{_named(candidate)} does not pass: {self.metric} under {self.protocol.name} on {self.split} of "
                f"{self._data} {reason}.",
                hint="Promote a better one, or give --force with a --reason.",
            )
        return Verdict(
            dataset=self._data,
            dataset_fingerprint=self.dataset.fingerprint,
            split=self.split,
            protocol=self.protocol.name,
            metric=self.metric,
            value=value,
            live=live.version if live else None,
            live_value=live_value,
            margin=self.margin,
            minimum=self.minimum,
        )

    @property
    def _data(self) -> str:
        return f"{self.dataset.name}@{self.dataset.artifact.version}"

    def _value(self, bundle: Artifact, role: str) -> float:
        record = find_evaluation(bundle, self.dataset, self.split, self.protocol)
        if record is None:
            raise PromotionError(
                f"The {role} model {_named(bundle)} has no evaluation that counts here: protocol "
                f"{self.protocol.name}, split {self.split} of {self._data} (fingerprint "
                f"{self.dataset.fingerprint[:16]}). {self._what_there_is(bundle)}",
                hint=f"Run `cirray evaluate --model {_named(bundle)} --dataset {self._data} --split {self.split} "
                f"--protocol {self.protocol.name}`.",
            )
        if self.metric not in record.metrics:
            raise ConfigError(
                f"Protocol {self.protocol.name} has no metric {self.metric!r}; there are: "
                f"{', '.join(record.metrics)}."
            )
        return record.metrics[self.metric]

    def _what_there_is(self, bundle: Artifact) -> str:
        records = list_evaluations(bundle)
        if any(self._is_of_same_data(record) for record in records):
            return "It was measured there, but by other code or other rules."
        listed = [f"{r.protocol}, {r.split} of {r.dataset} ({r.dataset_fingerprint[:16]})" for r in records]
        return f"It has: {'; '.join(listed) or 'none'}."

    def _is_of_same_data(self, record: EvaluationRecord) -> bool:
        measured = (record.dataset_fingerprint, record.split, record.protocol)
        return measured == (self.dataset.fingerprint, self.split, self.protocol.name)


def refusal(value: float, live: float | None, margin: float, minimum: float | None) -> str:
    """Return why a model with `value` does not pass, in words, or an empty string where it does.

    Args:
        value: of the candidate, in percent.
        live: of the one before it; None where there is none.
        margin: by which it must be better, at least 0.
        minimum: that it must reach; None for no such demand.
    """
    # Written so that what is not a number does not pass.
    if not math.isfinite(value):
        return f"is {value}"
    if minimum is not None and not value >= minimum - ROUNDING:
        return f"is {value:.2f}, less than the minimum of {minimum:g}"
    if live is None:
        return ""
    gain = value - live
    if gain > ROUNDING and gain >= margin - ROUNDING:
        return ""
    needed = f"at least {margin:g} points more" if margin else "more"
    return f"is {value:.2f}, where the live model has {live:.2f} and {needed} is asked for"


def _named(bundle: Artifact) -> str:
    return f"{bundle.manifest.name}@{bundle.version}"
