"""What is counted: the service's own metrics, and where they go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from cirray.search import Answer

_MS = (1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0)


@dataclass(frozen=True)
class MetricSpec:
    """One metric.

    Attributes:
        kind: of Prometheus's kinds.
        description: what it counts.
        tags: names of its labels.
        buckets: upper ends of a histogram's.
    """

    kind: Literal["counter", "gauge", "histogram"]
    description: str
    tags: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS: Mapping[str, MetricSpec] = {
    "cirray_requests_total": MetricSpec("counter", "Requests, by route and HTTP status.", ("route", "code")),
    "cirray_stage_ms": MetricSpec("histogram", "Milliseconds of each stage of a search.", ("stage",), _MS),
    "cirray_degraded_total": MetricSpec("counter", "Answers that not every shard was in."),
    "cirray_shard_failures_total": MetricSpec(
        "counter", "Times a shard gave no answer, by why.", ("shard", "reason")
    ),
    "cirray_batch_size": MetricSpec("histogram", "Queries composed together.", (), (1, 2, 4, 8, 16, 32, 64)),
    "cirray_queue_depth": MetricSpec("gauge", "Requests that an ingress replica is working on."),
    "cirray_index_items": MetricSpec("gauge", "Items of the index that is served.", ("index", "version")),
    "cirray_unknown_words_total": MetricSpec("counter", "Words of queries that the model never saw."),
    "cirray_explain_ms": MetricSpec("histogram", "Milliseconds of an explanation.", (), _MS),
    "cirray_feedback_total": MetricSpec("counter", "Verdicts that were kept, by which.", ("verdict",)),
}
"""The metrics by name; Ray puts `ray_` in front of it."""


class Meters(Protocol):
    """Where measurements go."""

    def record(self, name: str, value: float = 1.0, **tags: str) -> None:
        """Add `value` to a counter, observe it in a histogram, or set a gauge to it.

        Args:
            name: a key of `METRICS`.
            value: the value; a counter leaves 0 as it is.
            tags: a value for each of the metric's tags.
        """


class NoMeters:
    """Measurements that nobody asked for."""

    def record(self, name: str, value: float = 1.0, **tags: str) -> None:
        """Do nothing."""


class RayMeters:
    """Ray's metrics, which each node exports for Prometheus."""

    def __init__(self) -> None:
        self._metrics = {name: _ray_metric(name, spec) for name, spec in METRICS.items()}

    def record(self, name: str, value: float = 1.0, **tags: str) -> None:
        """Record it with Ray."""
        metric, kind = self._metrics[name], METRICS[name].kind
        if kind == "gauge":
            metric.set(value, tags)
        elif kind == "histogram":
            metric.observe(value, tags)
        elif value > 0:
            metric.inc(value, tags)


def _ray_metric(name: str, spec: MetricSpec) -> Any:
    from ray.util.metrics import Counter, Gauge, Histogram

    if spec.kind == "histogram":
        return Histogram(name, spec.description, boundaries=list(spec.buckets), tag_keys=spec.tags)
    kind = Counter if spec.kind == "counter" else Gauge
    return kind(name, spec.description, tag_keys=spec.tags)


def record_answer(meters: Meters, answer: Answer) -> None:
    """Record what an answer to a search tells of how it came about."""
    for stage, took_ms in answer.timings_ms.items():
        meters.record("cirray_stage_ms", took_ms, stage=stage)
    if answer.coverage.degraded:
        meters.record("cirray_degraded_total")
    meters.record("cirray_unknown_words_total", len(answer.unknown_words))
