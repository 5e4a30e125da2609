"""Evaluations beside a bundle: found again as long as nothing that decides them has changed."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from cirray.bundles import Bundle, evaluations, find_evaluation, read_outcomes, save_evaluation
from cirray.datasets.prepared import PreparedDataset
from cirray.errors import ArtifactError
from cirray.evaluation import OUTCOMES, Evaluation, protocols
from cirray.storage import Artifact, Location, Root
from tests.artifacts import plain_png, put_dataset
from tests.service_world import put_bundle, put_world

RULES = protocols["standard"]
QUERY = {"query_id": "q", "reference_id": "r", "text": "red", "target_id": "t", "category": "", "rank": 3}
FOUND = {"precisions": [], "hits": ["h"], "right": [False]}
OUTCOMES_OF_ONE = pa.Table.from_pylist([{**QUERY, **FOUND}], schema=OUTCOMES)
RESULT = Evaluation(
    "test",
    "standard",
    12,
    34,
    {"R@1": 5.0, "R@10": 50.0},
    {"hats": {"R@1": 7.0}},
    {"R@1": (4.0, 6.0)},
    OUTCOMES_OF_ONE,
)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.open(str(tmp_path / "root"), create=True)


@pytest.fixture
def dataset(root: Root) -> PreparedDataset:
    return put_world(root, num_scenes=4)


@pytest.fixture
def bundle(root: Root, dataset: PreparedDataset) -> Artifact:
    return put_bundle(root, dataset)


def record_file(bundle: Artifact) -> Path:
    (file,) = (each for each in (bundle.place / "evaluations").files() if each.path.endswith(".json"))
    return Path((bundle.place / "evaluations" / file.path).path)


def test_what_was_saved_is_found(bundle: Artifact, dataset: PreparedDataset) -> None:
    assert find_evaluation(bundle, dataset, "test", RULES) is None
    record = save_evaluation(bundle, dataset, RULES, RESULT)
    assert find_evaluation(bundle, dataset, "test", RULES) == record
    assert find_evaluation(bundle, dataset, "train", RULES) is None
    assert find_evaluation(bundle, dataset, "test", protocols["shoes"]) is None
    assert (record.metrics, record.categories) == (RESULT.metrics, RESULT.categories)
    assert (record.protocol, record.rules) == ("standard", RULES)
    assert (record.num_queries, record.num_gallery) == (12, 34)
    assert record.intervals == {"R@1": (4.0, 6.0)}
    assert read_outcomes(bundle, record).equals(OUTCOMES_OF_ONE)
    assert (record.model_fingerprint, record.dataset_fingerprint) == (bundle.digest, dataset.fingerprint)


def test_a_record_of_other_weights_is_out_of_date(root: Root, bundle: Artifact, dataset: PreparedDataset) -> None:
    save_evaluation(bundle, dataset, RULES, RESULT)
    kept = record_file(bundle).read_bytes()
    bundle.place.delete()
    other = put_bundle(root, dataset, seed=1, version_of=0)
    assert other.version == bundle.version
    assert other.digest != bundle.digest
    (other.place / "evaluations" / f"{dataset.name}@{dataset.artifact.version}-test-standard.json").write(kept)
    assert find_evaluation(other, dataset, "test", RULES) is None


def test_a_record_of_other_data_is_out_of_date(bundle: Artifact, dataset: PreparedDataset) -> None:
    save_evaluation(bundle, dataset, RULES, RESULT)
    place = Location.parse(f"{dataset.artifact.place.uri}")
    place.delete()
    row = {"item_id": "i", "splits": ["test"], "image": plain_png((1, 2, 3))}
    other = put_dataset(place, dataset.name, [row])
    assert find_evaluation(bundle, other, "test", RULES) is None


def test_a_record_of_other_code_is_out_of_date(
    bundle: Artifact, dataset: PreparedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_evaluation(bundle, dataset, RULES, RESULT)
    monkeypatch.setattr(evaluations, "code_fingerprint", lambda *modules: "of another checkout")
    assert find_evaluation(bundle, dataset, "test", RULES) is None
    again = save_evaluation(bundle, dataset, RULES, RESULT)
    assert find_evaluation(bundle, dataset, "test", RULES) == again


def test_a_record_from_before_code_was_kept_is_out_of_date(bundle: Artifact, dataset: PreparedDataset) -> None:
    save_evaluation(bundle, dataset, RULES, RESULT)
    file = record_file(bundle)
    values = json.loads(file.read_text())
    del values["code"]
    file.write_text(json.dumps(values))
    assert find_evaluation(bundle, dataset, "test", RULES) is None


def test_a_record_of_other_rules_of_the_same_name_is_out_of_date(bundle: Artifact, dataset: PreparedDataset) -> None:
    save_evaluation(bundle, dataset, RULES, RESULT)
    changed = RULES.model_copy(update={"exclude_reference": False})
    assert find_evaluation(bundle, dataset, "test", changed) is None


@pytest.mark.parametrize("content", ["", "{", "{}", '{"metrics": 3}'])
def test_a_corrupt_record_is_an_error_that_says_which(
    bundle: Artifact, dataset: PreparedDataset, content: str
) -> None:
    save_evaluation(bundle, dataset, RULES, RESULT)
    file = record_file(bundle)
    file.write_text(content)
    with pytest.raises(ArtifactError, match=rf"{file.name} is corrupt.*evaluate again"):
        find_evaluation(bundle, dataset, "test", RULES)


def test_a_record_is_of_a_bundle_as_it_is_opened(bundle: Artifact, dataset: PreparedDataset) -> None:
    assert save_evaluation(bundle, dataset, RULES, RESULT).model_fingerprint == Bundle.open(bundle).fingerprint


def test_queries_that_are_not_what_the_record_lists_are_an_error(bundle: Artifact, dataset: PreparedDataset) -> None:
    record = save_evaluation(bundle, dataset, RULES, RESULT)
    assert record.outcomes is not None
    (bundle.place / "evaluations" / record.outcomes.path).write(b"other")
    with pytest.raises(ArtifactError, match=r"parquet is not what .* evaluate again"):
        read_outcomes(bundle, record)
    with pytest.raises(ArtifactError, match="did not keep its queries"):
        read_outcomes(bundle, record.model_copy(update={"outcomes": None}))
