"""The verb `demo`: the whole chain, by the same operations as the verbs, and a report of it."""

from __future__ import annotations

import json
import os
import platform
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import httpx

from cirray.bundles import EvaluationRecord
from cirray.cli.display import Display
from cirray.cli.operations import (
    build_index,
    evaluate_model,
    generate_world,
    open_dataset,
    prepare_dataset,
)
from cirray.cli.training import train_model
from cirray.config import override
from cirray.datasets import PreparedDataset, joined
from cirray.datasets.css import CssConfig
from cirray.evaluation.report import Picture, Question, render_report
from cirray.service import start
from cirray.storage import Root, library_versions

DATASET = "css-2d"
METHODS = ("tirg-last-conv", "image-only", "text-only")
WORKERS = 2
SHARDS = 2
NUM_HITS = 8

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Clock:
    """Takes the time of steps.

    Attributes:
        seconds: that each took.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what `work` returns, and remember how long it took."""
        started = time.monotonic()
        result = work(*args, **kwargs)
        self.seconds[name] = round(time.monotonic() - started, 2)
        return result


def run_demo(root: Root, scenes: int, assignments: Sequence[str], display: Display) -> dict[str, Any]:
    """Go through the whole chain, write report.html and summary.json, and return the summary.

    What an earlier demo under the same root has done with the same settings is not done again.

    Args:
        root: under which all of it goes.
        scenes: base scenes of the generated world.
        assignments: changes to the recipes of all three methods, as `--set` takes them.
        display: for progress.

    Raises:
        CirrayError: a step cannot be done.
    """
    clock = Clock()
    clock.run("generate", generate_world, root, DATASET, override(CssConfig(), [f"num_scenes={scenes}"]), display)
    prepared = clock.run("prepare", prepare_dataset, root, DATASET, DATASET, None, (), display)
    models, records = {}, {}
    for method in METHODS:
        models[method] = clock.run(
            f"train {method}", train_model, root, f"{DATASET}/{method}", None, WORKERS, False, assignments, display
        )
    for method in METHODS:
        name = models[method]["model"]
        records[method] = clock.run(f"evaluate {method}", evaluate_model, root, name, None, "test", None, display)
    tirg = models[METHODS[0]]["model"]
    index = clock.run("index", build_index, root, tirg, None, "test", DATASET, SHARDS, (), display)
    dataset = open_dataset(root, prepared["dataset"])
    questions = clock.run("serve and ask", _ask, root, dataset, display)

    summary = _summary(prepared, models, records, index, questions, clock.seconds)
    (root.place / "summary.json").write(json.dumps(summary, indent=1).encode())
    (root.place / "report.html").write(_report(summary, models, questions).encode())
    display.say(f"report: {root.place / 'report.html'}")
    return {**summary, "report": f"{root.place / 'report.html'}"}


def _ask(root: Root, dataset: PreparedDataset, display: Display) -> list[Question]:
    """Serve the index, ask three questions over HTTP, stop."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with display.step("start serving"):
        handle = start({"root": root.uri, "index": DATASET}, port=port)
    with display.step("ask three questions"), handle, httpx.Client(base_url=handle.url, timeout=30) as client:
        return [_question(client, dataset, triplet) for triplet in three_triplets(dataset)]


def three_triplets(dataset: PreparedDataset) -> list[dict[str, Any]]:
    """Return the first test triplet of each kind of change; not chosen by whether they are answered well."""
    found: dict[str, dict[str, Any]] = {}
    for triplet in dataset.triplets("test").to_pylist():
        found.setdefault(joined(triplet["texts"]).split()[0], triplet)
    return [found[kind] for kind in sorted(found)][:3]


def _question(client: httpx.Client, dataset: PreparedDataset, triplet: dict[str, Any]) -> Question:
    text = joined(triplet["texts"])
    body = {"reference": {"id": triplet["reference_id"]}, "text": text, "limit": NUM_HITS}
    answer = client.post("/v1/search", json=body).raise_for_status().json()
    items = dataset.items.select(["item_id", "label", "caption"]).to_pylist()
    described = {item["item_id"]: item for item in items}
    target = described[triplet["target_id"]]["label"]
    reference = f"/v1/items/{triplet['reference_id']}/image"
    return Question(
        _picture(client, reference, described[triplet["reference_id"]]["caption"]),
        text,
        tuple(
            _picture(client, hit["image_url"], hit["caption"], right=hit["label"] == target) for hit in answer["hits"]
        ),
    )


def _picture(client: httpx.Client, url: str, caption: str, right: bool | None = None) -> Picture:
    answer = client.get(url).raise_for_status()
    return Picture(answer.content, answer.headers["content-type"], caption, right)


def _summary(
    prepared: dict[str, Any],
    models: dict[str, dict[str, Any]],
    records: dict[str, EvaluationRecord],
    index: dict[str, Any],
    questions: list[Question],
    seconds: dict[str, float],
) -> dict[str, Any]:
    test = records[METHODS[0]]
    return {
        "protocol": test.protocol,
        "recalls": {method: recalls(record) for method, record in records.items()},
        "seconds": {**seconds, "total": round(sum(seconds.values()), 2)},
        "counts": {
            **prepared["counts"],
            "test_queries": test.num_queries,
            "test_gallery": test.num_gallery,
            "shards": SHARDS,
            "queries_sharded_equals_flat": index["verified_queries"],
        },
        "artifacts": {
            "dataset": prepared["dataset"],
            "models": {method: model["model"] for method, model in models.items()},
            "index": index["index"],
        },
        "asked": [{"text": question.text, "right": [hit.right for hit in question.hits]} for question in questions],
        "versions": {"python": platform.python_version(), **library_versions()},
        "machine": {"cpus": os.cpu_count(), "system": platform.system(), "processor": platform.machine()},
    }


def recalls(record: EvaluationRecord) -> dict[str, float]:
    """Return the recalls among a record's metrics, in percent, by "R@k"."""
    return {name: value for name, value in record.metrics.items() if name.startswith("R@")}


def _report(summary: dict[str, Any], models: dict[str, dict[str, Any]], questions: list[Question]) -> str:
    curves = {method: [epoch["losses"]["total"] for epoch in model["history"]] for method, model in models.items()}
    facts = {"Seconds": summary["seconds"], "Counts": summary["counts"], "Versions": summary["versions"]}
    return render_report("cirray demo: CSS-2D", questions, summary["recalls"], curves, facts)
