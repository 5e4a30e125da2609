"""A prepared dataset is read by others as docs/prepared-format.md has it, without cirray."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import ray.data

from cirray.datasets import DUPLICATES, HASHES, ITEMS, REJECTS, TRIPLETS, PreparedDataset
from cirray.datasets.schema import SCHEMA_VERSION
from cirray.storage import Root

PAGE = (Path(__file__).parents[2] / "docs" / "prepared-format.md").read_text()
pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def dataset(css_root: str) -> PreparedDataset:
    return PreparedDataset(Root.open(css_root).dataset("css-2d").open())


def test_the_page_has_every_column() -> None:
    assert f"Schema version {SCHEMA_VERSION}." in PAGE
    for schema in (ITEMS, TRIPLETS, REJECTS, HASHES, DUPLICATES):
        for name in schema.names:
            assert f"`{name}`" in PAGE, name


def test_duckdb_reads_it_as_the_page_says(css_root: str, dataset: PreparedDataset) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0].replace("demo/", f"{css_root}/")
    names: dict[str, Any] = {}
    exec(code, names)
    rows = names["changes"].fetchall()
    captions = dict(zip(dataset.items["item_id"].to_pylist(), dataset.items["caption"].to_pylist(), strict=True))
    expected = [
        (captions[row["reference_id"]], row["texts"][0], captions[row["target_id"]])
        for row in dataset.triplets("test").to_pylist()
    ]
    assert sorted(rows) == sorted(expected)


def test_pandas_and_ray_read_it(dataset: PreparedDataset, ray_session: None) -> None:
    place = dataset.artifact.place
    paths = [f"{place.path}/{dataset.artifact.entry(name).path}" for name in dataset.item_parts]
    frame = pd.concat([pd.read_parquet(path) for path in paths])
    assert frame["item_id"].tolist() == dataset.items["item_id"].to_pylist()
    assert frame["image"].iloc[0] == dataset.image(frame["item_id"].iloc[0])
    assert ray.data.read_parquet(paths).count() == dataset.items.num_rows


def test_no_column_has_nulls(dataset: PreparedDataset) -> None:
    for entry in dataset.artifact.manifest.files:
        table = pq.read_table(f"{dataset.artifact.place.path}/{entry.path}")
        assert all(column.null_count == 0 for column in table.columns), entry.name
