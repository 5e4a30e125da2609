"""From a verdict over the API to a dataset to train on."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cirray.cli.app import run
from cirray.datasets import PreparedDataset
from cirray.search import SearchEngine
from cirray.service import Backend, Gallery, LocalShard, ServingSet, create_api
from cirray.service.feedback import FeedbackLog
from tests.asgi_client import Api
from tests.service_world import INDEX, make_root

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session"), pytest.mark.timeout(300)]


def test_what_was_accepted_is_prepared_as_a_triplet(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    served = ServingSet.open(root, INDEX)
    shards = [served.index.open_shard(number) for number in range(served.index.num_shards)]
    engine = SearchEngine(served.open_bundle(), served.dataset, served.index, shards)
    gallery = Gallery(served.dataset, served.index.details.split)
    clients = [LocalShard(number, shard) for number, shard in enumerate(shards)]
    api = Api(create_api(Backend(engine, gallery, clients), feedback=FeedbackLog.of(root, INDEX)))

    items = [item.item_id for item in gallery.page(None, 8).items]
    hit = api.search(reference={"id": items[0]}, text="make it red", limit=1).json()["hits"][0]["id"]
    said = {"reference_id": items[0], "text": "make it red", "item": hit, "verdict": "accept"}
    assert api.request("POST", "/v1/feedback", json={"verdicts": [said]}).status_code == 200

    catalog = tmp_path / "catalog"
    catalog.mkdir()
    with (catalog / "catalog.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "image", "split"])
        for item in {*items, hit}:
            (catalog / f"{item}.png").write_bytes(gallery.image(item))
            rows.writerow([item, f"{item}.png", "train"])
    table = str(catalog / "feedback.parquet")
    assert run(["feedback", "--index", INDEX, "--root", root.uri, "--out", table]) == 0
    settings = ["reader.triplets_table=feedback.parquet", "reader.split_column=split"]
    command = ["prepare", "catalog", "--source", str(catalog), "--root", root.uri, "--name", "judged"]
    assert run([*command, *(part for setting in settings for part in ("--set", setting))]) == 0
    prepared = PreparedDataset(root.dataset("judged").open())
    (triplet,) = prepared.triplets("train").to_pylist()
    assert (triplet["reference_id"], triplet["texts"], triplet["target_id"]) == (items[0], ["make it red"], hit)
