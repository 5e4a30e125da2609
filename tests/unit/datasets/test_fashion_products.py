"""The Fashion Products benchmark, against plain loops over its rules."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cirray.config_file import parse_mapping
from cirray.datasets import Source, SourceTables
from cirray.datasets.source import readers
from cirray.prepare import PrepareConfig
from cirray.storage import FileStat, Location

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "fashion_products.yaml"


@pytest.fixture(scope="module")
def catalog(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Return the rows of the table that the data's own script writes (for speed with no pictures beside it)."""
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("products")
    script = shared_data / "fashion_products" / "unpack.py"
    subprocess.run([sys.executable, str(script), str(folder), "50"], check=True, capture_output=True)
    with open(folder / "catalog.csv", newline="") as stream:
        first = list(csv.DictReader(stream))
    table = pq.read_table(shared_data / "fashion_products" / "products.parquet").drop_columns("jpeg")
    rows = [{"id": row["id"], "image": f"images/{row['id']}.jpg", **row} for row in table.to_pylist()]
    assert rows[:50] == first
    return rows


@pytest.fixture(scope="module")
def tables(catalog: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> SourceTables:
    folder = tmp_path_factory.mktemp("listed")
    with open(folder / "catalog.csv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, list(catalog[0]))
        writer.writeheader()
        writer.writerows(catalog)
    pictures = (FileStat(row["image"], 1000, 0) for row in catalog)
    source = Source(Location.parse(str(folder)), (FileStat("catalog.csv", 1, 0), *pictures))
    config = PrepareConfig.of("catalog", parse_mapping(EXAMPLE.read_bytes(), str(EXAMPLE)))
    return readers["catalog"](config.reader).read(source)


def test_the_items_are_those_of_the_table(catalog: list[dict[str, str]], tables: SourceTables) -> None:
    assert tables.rejects.num_rows == 0
    items = tables.items.to_pylist()
    assert [item["item_id"] for item in items] == [row["id"] for row in catalog]
    for item, row in zip(items, catalog, strict=True):
        assert item["caption"] == f"{row['baseColour']} {row['gender']} {row['articleType']}".lower()
        assert item["label"] == item["caption"]
        assert item["splits"] == [
            "test" if int(hashlib.sha1(row["id"].encode()).hexdigest(), 16) % 5 == 0 else "train"
        ]
    assert Counter(item["splits"][0] for item in items) == {"train": 24_298, "test": 6_037}


def test_the_queries_are_those_of_the_rules(catalog: list[dict[str, str]], tables: SourceTables) -> None:
    test = [row for row in catalog if int(hashlib.sha1(row["id"].encode()).hexdigest(), 16) % 5 == 0]
    by_gender_and_type: dict[tuple[str, str], set[str]] = {}
    by_gender_and_colour: dict[tuple[str, str], set[str]] = {}
    for row in test:
        by_gender_and_type.setdefault((row["gender"], row["articleType"]), set()).add(row["baseColour"])
        by_gender_and_colour.setdefault((row["gender"], row["baseColour"]), set()).add(row["articleType"])
    colour_queries, type_queries = [], []
    for row in test:
        gender, kind, colour = row["gender"], row["articleType"], row["baseColour"]
        for other in by_gender_and_type[gender, kind]:
            if other != colour:
                text = f"replace {colour} with {other}".lower()
                colour_queries.append((row["id"], text, f"{other} {gender} {kind}".lower()))
        for other in by_gender_and_colour[gender, colour]:
            if other != kind:
                text = f"replace {kind} with {other}".lower()
                type_queries.append((row["id"], text, f"{colour} {gender} {other}".lower()))

    label = dict(zip(tables.items["item_id"].to_pylist(), tables.items["label"].to_pylist(), strict=True))
    found: dict[str, list[tuple[str, str, str]]] = {}
    for row in tables.triplets["test"].to_pylist():
        query = (row["reference_id"], row["texts"][0], label[row["target_id"]])
        found.setdefault(row["category"], []).append(query)
    assert sorted(found) == ["articleType", "baseColour"]
    for name, queries in (("baseColour", colour_queries), ("articleType", type_queries)):
        queries.sort()
        drawn = np.random.default_rng(0).choice(len(queries), 5000, replace=False)
        assert found[name] == [queries[place] for place in sorted(drawn)]
    assert (len(colour_queries), len(type_queries)) == (105_416, 118_368)


def test_the_training_triplets_are_bounded_and_stay_within_their_split(tables: SourceTables) -> None:
    rows = {row["item_id"]: row for row in tables.items.to_pylist()}
    triplets = tables.triplets["train"].to_pylist()
    per_reference = Counter((triplet["category"], triplet["reference_id"]) for triplet in triplets)
    assert max(per_reference.values()) == 2
    assert {split for t in triplets for i in (t["reference_id"], t["target_id"]) for split in rows[i]["splits"]} == {
        "train"
    }
    for triplet in triplets[::50]:
        place = {"baseColour": 0, "articleType": 2}[triplet["category"]]
        old, new = (rows[triplet[side]]["attributes"] for side in ("reference_id", "target_id"))
        assert triplet["texts"] == [f"replace {old[place]} with {new[place]}"]
        assert [k for k in range(3) if old[k] != new[k]] == [place]
