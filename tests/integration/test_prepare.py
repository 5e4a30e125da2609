"""Prepares real sources with a real Ray, in a folder and in a real object store."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cirray.datasets import SOURCE_ITEMS, TRIPLETS, PreparedDataset, Source, SourceTables, write_world
from cirray.datasets.css import CssConfig
from cirray.datasets.worlds import Css2d, Css2dConfig
from cirray.errors import ArtifactError, ClusterError, DataError
from cirray.prepare import PrepareConfig, PrepareResult, making, parallel, pipeline, prepare
from cirray.prepare.parallel import prepare_parts
from cirray.prepare.part import prepare_part
from cirray.prepare.plan import plan_parts
from cirray.prepare.rejects import Reject, rejects_of
from cirray.storage import FileStat, Location, Root, read_alias, table_bytes

pytestmark = [
    pytest.mark.ray,
    pytest.mark.usefixtures("ray_session"),
    # Ray Data copies its own context, deprecated settings and all, whenever a dataset is made.
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.data\..*"),
]

WORLD = CssConfig(num_scenes=30, train_modifications_per_scene=2, test_modifications_per_scene=2, image_size=32)
CONFIG = PrepareConfig(reader=Css2dConfig(), part_rows=100, row_group_size=32, max_reject_share=0.2)


@dataclass(frozen=True)
class Case:
    """A source, which the test may damage, and a root for what is prepared of it."""

    root: Root
    source: Location

    def prepare(self, config: PrepareConfig = CONFIG) -> PrepareResult:
        return prepare(self.root, "toy", self.source, config)

    def tables(self) -> SourceTables:
        return Css2d(Css2dConfig()).read(Source.open(self.source))

    def path(self, name: str) -> Path:
        return Path(self.source.path) / name

    def edit(
        self, file: str, schema: pa.Schema, change: Callable[[list[dict[str, object]]], Iterable[object]]
    ) -> None:
        rows = pq.read_table(self.path(file)).to_pylist()
        self.path(file).write_bytes(table_bytes(pa.Table.from_pylist(list(change(rows)), schema=schema)))

    def files(self) -> list[FileStat]:
        return list(self.root.place.files())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(WORLD, Location.parse(str(folder)))
    return folder


@pytest.fixture
def case(world: Path, tmp_path: Path) -> Case:
    shutil.copytree(world, tmp_path / "source")
    return Case(Root.open(str(tmp_path / "root"), create=True), Location.parse(str(tmp_path / "source")))


def test_a_source_becomes_a_dataset_once(place_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Root.open(place_uri)
    source = root.raw("toy")
    counts = write_world(WORLD, source).counts
    first = prepare(root, "toy", source, CONFIG)
    assert first.changed
    assert first.counts == counts | {"rejects": 0}
    assert first.rejects == {}
    before = list(root.place.files())

    monkeypatch.setattr(pipeline, "make_version", lambda *_: pytest.fail("pictures were read again"))
    second = prepare(root, "toy", source, CONFIG)
    assert not second.changed
    assert (second.artifact.version, second.counts) == (first.artifact.version, first.counts)
    assert list(root.place.files()) == before
    assert root.dataset("toy").open().version == first.artifact.version


def test_the_dataset_is_what_the_source_was(case: Case) -> None:
    tables = case.tables()
    dataset = PreparedDataset(case.prepare().artifact)
    items = sorted(tables.items.to_pylist(), key=lambda row: str(row["item_id"]))
    assert all(50 <= (dataset.artifact.entry(part).rows or 0) <= 200 for part in dataset.item_parts[:-1])
    found = [row for part in dataset.item_parts for row in dataset.part(part).to_pylist()]
    assert [row["item_id"] for row in found] == [row["item_id"] for row in items]
    for row, item in zip(found, items, strict=True):
        assert row["image"] == case.path(item["path"]).read_bytes()
        assert (row["label"], row["splits"], row["width"]) == (item["label"], item["splits"], WORLD.image_size)
    for split in ("train", "test"):
        assert dataset.triplets(split).equals(tables.triplets[split].sort_by("query_id"))
        assert dataset.gallery(split).num_rows == sum(split in row["splits"] for row in items)


def test_the_bytes_depend_on_the_source_alone(case: Case, tmp_path: Path) -> None:
    """The same in another root, and the same as without Ray, one part after the other."""
    artifact = case.prepare().artifact
    other = prepare(Root.open(str(tmp_path / "b"), create=True), "other", case.source, CONFIG).artifact
    assert other.manifest.files == artifact.manifest.files
    assert other.version == artifact.version

    items = case.tables().items.sort_by("item_id")
    alone = Location.parse(str(tmp_path / "alone"))
    parts = plan_parts(items, {file.path: file for file in Source.open(case.source).files}, CONFIG, 0)
    entries = [prepare_part(part, case.source, alone, CONFIG).entry for part in parts]
    assert [entry for entry in artifact.manifest.files if entry.name.startswith("items/")] == entries


def test_progress_goes_from_none_to_all_items(case: Case) -> None:
    calls: list[tuple[int, int]] = []
    notes: list[str] = []

    def progress(done: int, total: int, note: str = "") -> None:
        calls.append((done, total))
        notes.append(note)

    result = prepare(case.root, "toy", case.source, CONFIG, progress)
    assert calls[0] == (0, 420)
    assert calls[-1] == (420, 420)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    assert len(calls) == len(PreparedDataset(result.artifact).item_parts) + 1
    assert re.fullmatch(r"\d+ pictures/s", notes[-1])


def test_what_is_broken_is_rejected_with_its_reason(case: Case) -> None:
    triplets = case.tables().triplets["train"].to_pylist()
    # Each target belongs to exactly one triplet.
    broken, missing, empty = (triplets[index] for index in (0, 5, 9))
    picture = {row["query_id"]: f"images/{row['target_id']}.png" for row in (broken, missing, empty)}
    case.path(picture[broken["query_id"]]).write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    case.path(picture[missing["query_id"]]).unlink()
    case.path(picture[empty["query_id"]]).write_bytes(b"")
    case.edit("items.parquet", SOURCE_ITEMS, lambda rows: [*rows, rows[3]])
    unknown = {**triplets[20], "query_id": "new0", "reference_id": "nobody"}
    silent = triplets[21] | {"texts": [" "]}
    case.edit("triplets-train.parquet", TRIPLETS, lambda rows: [*rows[:21], silent, *rows[22:], unknown])

    result = case.prepare()
    dataset = PreparedDataset(result.artifact)
    rejects = rejects_of(dataset.part("rejects.parquet"))
    assert {(r.kind, r.id): r.reason for r in rejects} == {
        ("item", broken["target_id"]): "truncated",
        ("item", missing["target_id"]): "missing-file",
        ("item", empty["target_id"]): "empty-file",
        ("item", "css_train_000003"): "duplicate-id",
        ("triplet", broken["query_id"]): "rejected-item",
        ("triplet", missing["query_id"]): "rejected-item",
        ("triplet", empty["query_id"]): "rejected-item",
        ("triplet", "new0"): "unknown-reference",
        ("triplet", silent["query_id"]): "empty-text",
    }
    assert result.rejects == dict(Counter(r.reason for r in rejects).most_common())
    assert result.counts["rejects"] == len(rejects)
    assert result.counts["items"] == dataset.items.num_rows == case.tables().items.num_rows - 4
    assert result.counts["triplets_train"] == dataset.triplets("train").num_rows == len(triplets) + 1 - 5
    gone = {broken["target_id"], missing["target_id"], empty["target_id"]}
    assert not gone & set(dataset.items["item_id"].to_pylist())


def test_rejects_are_there_even_if_there_are_none(case: Case) -> None:
    assert PreparedDataset(case.prepare().artifact).part("rejects.parquet").num_rows == 0


def test_too_many_bad_pictures_fail_and_leave_nothing_that_opens(case: Case) -> None:
    for index in range(10):
        case.path(f"images/css_test_{index:06d}.png").write_bytes(b"no picture")
    strict = CONFIG.model_copy(update={"max_reject_share": 0.01})
    with pytest.raises(DataError) as raised:
        case.prepare(strict)
    assert "10 of 420 items" in str(raised.value)
    assert "not-an-image 10" in str(raised.value)
    assert "'css_test_000002' (not-an-image: images/css_test_000002.png" in str(raised.value)
    shelf = case.root.dataset("toy")
    assert shelf.versions() == []
    assert read_alias(shelf.place, "latest") is None
    with pytest.raises(ArtifactError, match="There is no dataset"):
        shelf.open()


def test_bad_tables_fail_before_a_picture_is_read(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.edit("triplets-test.parquet", TRIPLETS, lambda rows: [{**row, "target_id": "nobody"} for row in rows])
    monkeypatch.setattr(pipeline, "make_version", lambda *_: pytest.fail("pictures were read"))
    with pytest.raises(DataError, match=r"180 of 360 triplets were rejected.*unknown-target 180"):
        case.prepare()
    assert case.files() == []


def test_a_version_that_was_good_enough_is_judged_anew(case: Case) -> None:
    case.path("images/css_test_000100.png").unlink()
    version = case.prepare().artifact.version
    with pytest.raises(DataError, match=r"1 of 420 items and \d+ of 360 triplets were rejected"):
        case.prepare(CONFIG.model_copy(update={"max_reject_share": 0.0}))
    again = case.prepare(CONFIG.model_copy(update={"max_reject_share": 0.5}))
    assert (again.changed, again.artifact.version) == (False, version)


def test_files_without_a_manifest_are_nothing_and_are_made_again(case: Case) -> None:
    whole = case.prepare().artifact
    before = case.files()
    folder = Path(whole.place.path)
    (folder / "manifest.json").unlink()
    for entry in whole.manifest.files[1:]:
        (folder / entry.path).unlink()
    (folder / "items" / ".part-00001.0123.parquet.beef").write_bytes(b"half a file")
    shelf = case.root.dataset("toy")
    assert shelf.versions() == []
    with pytest.raises(ArtifactError):
        shelf.open(whole.version)

    result = case.prepare()
    assert result.changed
    assert result.artifact.manifest == whole.manifest
    assert {file.path for file in before} <= {file.path for file in case.files()}
    assert PreparedDataset(shelf.open()).items.num_rows == 420


def test_another_source_gives_another_version_beside_the_old(case: Case) -> None:
    first = case.prepare()
    file = case.path("images/css_train_000000.png")
    kept, stat = file.read_bytes(), file.stat()
    file.write_bytes(case.path("images/css_train_000001.png").read_bytes())
    second = case.prepare()
    shelf = case.root.dataset("toy")
    assert second.changed
    assert sorted(shelf.versions()) == sorted([first.artifact.version, second.artifact.version])
    assert shelf.open().version == second.artifact.version
    assert PreparedDataset(shelf.open(first.artifact.version)).image("css_train_000000") == kept

    file.write_bytes(kept)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    third = case.prepare()
    assert (third.changed, third.artifact.version) == (False, first.artifact.version)
    assert shelf.open().version == first.artifact.version


# Where two datasets run at once, Ray Data leaves a log file of one of them to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_two_preparations_of_the_same_end_in_one_version(place_uri: str, world: Path) -> None:
    root, source = Root.open(place_uri), Location.parse(str(world))
    start = threading.Barrier(2)

    def run() -> PrepareResult:
        start.wait(30)
        return prepare(root, "toy", source, CONFIG)

    with ThreadPoolExecutor(2) as pool:
        one, other = (future.result(120) for future in [pool.submit(run), pool.submit(run)])
    assert one.artifact.manifest == other.artifact.manifest
    manifests = [file.path for file in root.place.files() if file.path.endswith("manifest.json")]
    assert manifests == [f"datasets/toy/{one.artifact.version}/manifest.json"]
    dataset = PreparedDataset(root.dataset("toy").open())
    assert dataset.items.num_rows == 420
    assert all(dataset.part(name).num_rows for name in dataset.item_parts)


def test_an_error_in_a_worker_is_raised_as_what_it_is(case: Case) -> None:
    items = case.tables().items.sort_by("item_id")
    changed = "images/css_train_000001.png"
    files = {file.path: file for file in Source.open(case.source).files}
    files[changed] = replace(files[changed], bytes=files[changed].bytes + 1)
    with pytest.raises(DataError, match=rf"{changed} changed while it was being prepared.* prepare it again"):
        prepare_parts(plan_parts(items, files, CONFIG, 0), case.source, case.root.place, CONFIG)


def test_pictures_are_scaled_where_that_is_asked_for(case: Case) -> None:
    dataset = PreparedDataset(case.prepare(CONFIG.model_copy(update={"resize": "stretch", "size": 16})).artifact)
    assert set(dataset.items["width"].to_pylist()) == {16}
    table = pq.read_table(io.BytesIO(dataset.artifact.read(dataset.item_parts[0])), columns=["image"])
    assert table["image"][0].as_py().startswith(b"\x89PNG")


def test_rerunning_needs_no_ray(case: Case) -> None:
    case.prepare()
    code = (
        "import sys\n"
        "from cirray.config import from_mapping\n"
        "from cirray.prepare import PrepareConfig, prepare\n"
        "from cirray.storage import Location, Root\n"
        f"config = from_mapping(PrepareConfig, {CONFIG.model_dump(mode='json')!r})\n"
        f"root, source = Root.open({case.root.uri!r}), Location.parse({case.source.uri!r})\n"
        "assert not prepare(root, 'toy', source, config).changed\n"
        "assert 'ray' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_rejects_sort_the_same_way_on_every_run(case: Case) -> None:
    for index in range(4):
        case.path(f"images/css_test_{index * 50:06d}.png").write_bytes(b"no picture")
    rejects = rejects_of(PreparedDataset(case.prepare().artifact).part("rejects.parquet"))
    assert rejects == sorted(rejects)
    assert Reject("item", "css_test_000050", "not-an-image", rejects[1].detail) == rejects[1]


def test_a_source_that_changes_meanwhile_without_changing_its_size_is_an_error(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meddled(*given: Any) -> Any:
        made = making.make_version(*given)
        path = case.path("images/css_train_000005.png")
        path.write_bytes(path.read_bytes()[::-1])
        return made

    monkeypatch.setattr(pipeline, "make_version", meddled)
    with pytest.raises(DataError, match=r"1 files of .* changed .* the first is images/css_train_000005\.png"):
        case.prepare()
    assert case.root.dataset("toy").versions() == []


def test_a_bucket_may_be_source_and_root(bucket: str, tmp_path: Path) -> None:
    place = Location.parse(f"{bucket}/{tmp_path.name}")
    write_world(WORLD, place)
    first = prepare(Root(place), "toy", place, CONFIG)
    again = prepare(Root(place), "toy", place, CONFIG)
    assert (first.changed, again.changed) == (True, False)


def test_a_part_that_kills_its_workers_is_an_error_and_no_endless_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "NO_PROGRESS_TIMEOUT_S", 5)

    def dies(batch: pa.Table) -> pa.Table:
        os.kill(os.getpid(), signal.SIGKILL)
        return batch

    with pytest.raises(ClusterError, match="Ray did not finish the parts of the item table: "):
        list(parallel._run_in_ray([{"number": 0}], dies))
