"""Verdicts are kept, one file a request, and the accepted ones become triplets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cirray.cli.app import run
from cirray.errors import StorageError
from cirray.search import SearchEngine
from cirray.service import Backend, Gallery, LocalShard, create_api
from cirray.service.feedback import FEEDBACK, TRIPLETS_TABLE, FeedbackLog
from cirray.storage import Location, Root, table_from
from tests.asgi_client import Api

INDEX = "tiny"


@pytest.fixture
def log(tmp_path: Path) -> FeedbackLog:
    return FeedbackLog.of(Root.open(str(tmp_path)), INDEX)


@pytest.fixture
def judged(engine: SearchEngine, gallery: Gallery, log: FeedbackLog) -> Api:
    shards = [LocalShard(number, shard) for number, shard in enumerate(engine.shards)]
    return Api(create_api(Backend(engine, gallery, shards), feedback=log))


@pytest.fixture
def ids(gallery: Gallery) -> list[str]:
    return [item.item_id for item in gallery.page(None, 4).items]


def verdict(
    reference: str, item: str, said: str = "accept", text: str = "make it red", **more: Any
) -> dict[str, Any]:
    return {"reference_id": reference, "item": item, "text": text, "verdict": said, **more}


def test_a_verdict_is_kept_with_what_it_is_about(judged: Api, log: FeedbackLog, ids: list[str]) -> None:
    body = {
        "verdicts": [verdict(ids[0], ids[1], rank=3, turn=1), verdict(ids[0], ids[2], "click")],
        "search_id": "s-1",
    }
    answer = judged.request("POST", "/v1/feedback", json=body)
    assert (answer.status_code, answer.json()["kept"]) == (200, 2)
    index = judged.get("/v1/indexes").json()["indexes"][0]
    assert log.rows().schema == FEEDBACK
    first, second = log.rows().to_pylist()
    assert (first["verdict"], first["turn"], first["rank"], second["rank"]) == ("accept", 1, 3, None)
    for row, target in ((first, ids[1]), (second, ids[2])):
        assert (row["reference_id"], row["text"], row["target_id"]) == (ids[0], "make it red", target)
        assert (row["request_id"], row["index"], row["index_version"]) == ("s-1", INDEX, index["version"])
        assert row["model"] == f"{index['model']}@{index['model_version']}"
    assert len(list(log.place.files())) == 1
    judged.request("POST", "/v1/feedback", json={"verdicts": [verdict(ids[1], ids[2])]})
    assert len(list(log.place.files())) == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"reference_id": "nobody"}, "unknown-item"),
        ({"item": "nobody"}, "unknown-item"),
        ({"verdict": "maybe"}, "validation"),
        ({"text": "?!"}, "validation"),
        ({"rank": 0}, "validation"),
        ({"image": "QUJD"}, "validation"),
    ],
)
def test_what_is_wrong_keeps_nothing(
    judged: Api, log: FeedbackLog, ids: list[str], change: dict[str, Any], code: str
) -> None:
    body = {"verdicts": [verdict(ids[0], ids[1]), {**verdict(ids[0], ids[1]), **change}]}
    assert judged.request("POST", "/v1/feedback", json=body).json()["code"] == code
    assert log.rows().num_rows == 0


def test_a_store_that_does_not_write_is_no_success(
    judged: Api, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Location, data: bytes) -> None:
        raise StorageError("secret")

    monkeypatch.setattr(Location, "write", fails)
    answer = judged.request("POST", "/v1/feedback", json={"verdicts": [verdict(ids[0], ids[1])]})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text


def test_the_last_word_on_a_hit_counts_and_each_triplet_comes_once(
    judged: Api, log: FeedbackLog, ids: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b, c, d = ids
    for said in (
        [verdict(a, b), verdict(a, c, "click"), verdict(a, d, "reject")],
        [verdict(a, b), verdict(b, c)],
        [verdict(b, c, "reject"), verdict(a, d), verdict(a, d, text="make it blue")],
    ):
        assert judged.request("POST", "/v1/feedback", json={"verdicts": said}).status_code == 200
    expected = {(a, "make it red", b), (a, "make it red", d), (a, "make it blue", d)}
    out = tmp_path / "catalog" / "feedback.parquet"
    command = ["feedback", "--index", INDEX, "--root", str(tmp_path), "--out", str(out), "--split", "train"]
    assert run(command) == 0
    assert "triplets: 3" in capsys.readouterr().out
    table = table_from(out.read_bytes())
    assert table.schema.names == TRIPLETS_TABLE.names
    rows = table.to_pylist()
    assert {(row["reference"], row["text"], row["target"]) for row in rows} == expected
    assert {row["split"] for row in rows} == {"train"}
    assert len({row["query_id"] for row in rows}) == 3


@pytest.mark.parametrize(("out", "says"), [("x.csv", ".parquet"), ("x.parquet", "Nothing that index 'tiny' found")])
def test_nothing_to_write_is_said(tmp_path: Path, out: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["feedback", "--index", INDEX, "--root", str(tmp_path), "--out", str(tmp_path / out)]
    assert run(command) == 2
    assert says in capsys.readouterr().err
