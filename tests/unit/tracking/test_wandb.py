"""Weights & Biases in its real offline mode."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cirray.storage import Location
from cirray.tracking import Point, TrackedRun, Wandb, WandbConfig

pytest.importorskip("wandb", reason="wandb is not installed")

BLOCK = 32768


def points(epochs: int) -> list[Point]:
    return [Point(epoch=epoch, values={"loss/total": 1 / epoch}) for epoch in range(1, epochs + 1)]


def tracker(folder: Path) -> Wandb:
    run = TrackedRun("css-2d/tirg", "f" * 64, Location.parse(str(folder)), {"training": {"epochs": 4}})
    return Wandb(WandbConfig(project="retrieval"), run)


def test_what_two_drivers_wrote_offline_has_each_epoch_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    for epochs in (2, 4):
        driver = tracker(tmp_path / "run")
        driver.write(points(epochs - 1))
        driver.write(points(epochs))
        driver.end("finished")
    files = list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    records = [record for file in files for record in _records(file.read_bytes())]
    runs = [record.run for record in records if record.HasField("run")]
    assert {(run.run_id, run.project, run.display_name) for run in runs} == {("f" * 16, "retrieval", "css-2d/tirg")}
    rows = [
        {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        for record in records
        if record.HasField("history")
    ]
    found = sorted((row["_step"], row["loss/total"]) for row in rows if "loss/total" in row)
    assert found == [(point.epoch, point.values["loss/total"]) for point in points(4)]


def _records(data: bytes) -> Iterator[Any]:
    """Yield the records of a .wandb file: LevelDB's log format after a header of seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    at, content = 7, b""
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        content += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last piece of one
            yield Record.FromString(content)
            content = b""
