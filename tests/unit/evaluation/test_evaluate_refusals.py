"""What evaluation refuses, before it decodes a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from cirray.datasets import TRIPLETS, PreparedDataset
from cirray.datasets.fitting import Fit
from cirray.datasets.pictures import Pixels
from cirray.errors import ArtifactError, ConfigError, DataError
from cirray.evaluation import evaluate, protocols
from cirray.evaluation.scores import Scorer
from cirray.exact import Floats
from cirray.storage import Artifact, FileEntry, Root, put_file, table_bytes
from tests.service_world import put_world

TABLE = "triplets-test/part-00000.parquet"


class NoModel:
    image_size = (8, 8)
    image_fit: Fit = "stretch"

    def __init__(self, scorer: Scorer | None = None) -> None:
        self.scorer = scorer

    def embed_pixels(self, pixels: Pixels) -> Floats:
        raise AssertionError

    def compose_pixels(self, pixels: Pixels, texts: Sequence[str]) -> Floats:
        raise AssertionError


@pytest.fixture
def artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    monkeypatch.setattr(
        "cirray.evaluation.evaluation.open_source", lambda *_, **settings: pytest.fail("pictures were decoded")
    )
    return put_world(Root.open(str(tmp_path / "root"), create=True), 6).artifact


def with_triplets(artifact: Artifact, entry: FileEntry) -> PreparedDataset:
    items = [file for file in artifact.manifest.files if file.name.startswith("items/")]
    return PreparedDataset(Artifact(artifact.place, artifact.manifest.model_copy(update={"files": (*items, entry)})))


def test_a_split_that_does_not_exist_is_refused_first(artifact: Artifact) -> None:
    with pytest.raises(ArtifactError, match=r"has no split 'typo'; it has: test"):
        evaluate(NoModel(), PreparedDataset(artifact), "typo", protocols["standard"])


def test_a_split_without_queries_is_refused(artifact: Artifact) -> None:
    empty = put_file(artifact.place, TABLE, table_bytes(TRIPLETS.empty_table()), rows=0)
    with pytest.raises(DataError, match="'test' of dataset 'tiny' has no queries"):
        evaluate(NoModel(), with_triplets(artifact, empty), "test", protocols["standard"])


def test_a_split_without_a_gallery_is_refused(artifact: Artifact) -> None:
    other = artifact.entry(TABLE).model_copy(update={"name": TABLE.replace("test", "other")})
    with pytest.raises(DataError, match="'tiny' has no gallery 'other'"):
        evaluate(NoModel(), with_triplets(artifact, other), "other", protocols["standard"])


def not_to_be_scored(queries: Floats, texts: Sequence[str], gallery: Floats) -> Floats:
    raise AssertionError


@pytest.mark.parametrize("world", ["", "-open"])
def test_a_re_ranker_does_not_classify(artifact: Artifact, world: str) -> None:
    protocol = protocols[f"mit-states-compositions{world}"]
    with pytest.raises(ConfigError, match=f"'{protocol.name}' compares .* re-ranker.* such as 'standard'"):
        evaluate(NoModel(not_to_be_scored), PreparedDataset(artifact), "test", protocol)
