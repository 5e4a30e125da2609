"""Preparing again after a change: only what it touches is redone, and killed runs leave no trace in the result."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray

from cirray.config import override
from cirray.datasets import PreparedDataset, items_table, write_world
from cirray.datasets.css import CssConfig
from cirray.prepare import PrepareConfig, PrepareResult, prepare
from cirray.prepare.rejects import rejects_of
from cirray.storage import Location, Root, table_bytes, table_from
from tests.artifacts import plain_png
from tests.deadly_pictures import deadly_path, deadly_picture

pytestmark = [
    pytest.mark.ray,
    pytest.mark.usefixtures("ray_session"),
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.data\..*"),
]

CATALOG = """
reader:
  table: items.csv
  split_column: split
part_rows: 10
max_reject_share: 0.1
"""

WORLD = CssConfig(num_scenes=30, train_modifications_per_scene=2, test_modifications_per_scene=2, image_size=32)
SETTINGS = ["part_rows=30", "row_group_size=16", "max_reject_share=0.2"]
CONFIG = override(PrepareConfig.of("css-2d"), SETTINGS)


@dataclass(frozen=True)
class Case:
    """A source, which the test may change, and a root for what is prepared of it."""

    root: Root
    source: Location

    def prepare(self, config: PrepareConfig = CONFIG, name: str = "toy") -> PrepareResult:
        return prepare(self.root, name, self.source, config)

    def picture(self, item_id: str) -> Path:
        return Path(self.source.path) / "images" / f"{item_id}.png"

    def replace(self, item_id: str, by: str) -> None:
        self.picture(item_id).write_bytes(self.picture(by).read_bytes())

    def spoil(self, item_ids: list[str]) -> None:
        """Make pictures unreadable in a way that no listing shows."""
        for item_id in item_ids:
            stat = self.picture(item_id).stat()
            self.picture(item_id).write_bytes(b"x" * stat.st_size)
            os.utime(self.picture(item_id), ns=(stat.st_atime_ns, stat.st_mtime_ns))


def summary(result: PrepareResult) -> dict[str, dict[str, int]]:
    return dict(json.loads((result.artifact.place / "summary.json").read()))


def part_of(result: PrepareResult, item_id: str) -> list[str]:
    """Return the ids of all items in the part of one of them."""
    dataset = PreparedDataset(result.artifact)
    parts = [dataset.part(name, ["item_id"])["item_id"].to_pylist() for name in dataset.item_parts]
    return next(part for part in parts if item_id in part)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(WORLD, Location.parse(str(folder)))
    return folder


@pytest.fixture
def case(world: Path, tmp_path: Path) -> Case:
    shutil.copytree(world, tmp_path / "source")
    return Case(Root.open(str(tmp_path / "root"), create=True), Location.parse(str(tmp_path / "source")))


def test_after_one_changed_file_only_its_part_is_read(case: Case) -> None:
    first = case.prepare()
    changed = "css_train_000100"
    touched = part_of(first, changed)
    assert len(touched) < 100
    items = PreparedDataset(first.artifact).items["item_id"].to_pylist()
    case.spoil([item for item in items if item not in touched])
    case.replace(changed, by="css_train_000101" if "css_train_000101" in touched else touched[0])
    second = case.prepare()
    assert second.rejects == {}, "a picture was read that had not changed"
    assert second.counts == first.counts
    assert summary(second)["timing"]["pictures_read"] == len(touched)
    assert summary(second)["timing"]["pictures_decoded"] == 1
    files = {entry.name: entry.sha256 for entry in first.artifact.manifest.files if entry.name.startswith("items/")}
    again = {entry.name: entry.sha256 for entry in second.artifact.manifest.files if entry.name.startswith("items/")}
    assert sum(files[name] != again[name] for name in files) == 1
    assert all(second.artifact.read(name) for name in second.artifact.names())


def test_parts_in_a_bucket_are_copied_within_it(bucket: str, tmp_path: Path) -> None:
    root = Root.open(f"{bucket}/{tmp_path.name}")
    source = root.raw("toy")
    write_world(WORLD, source)
    config = override(CONFIG, ["resize=stretch", "size=16"])
    first = prepare(root, "toy", source, config)
    (source / "images/css_train_000100.png").write((source / "images/css_train_000101.png").read())
    second = prepare(root, "toy", source, config)
    touched = part_of(first, "css_train_000100")
    assert summary(second)["timing"]["pictures_read"] == len(touched)
    assert summary(second)["timing"]["pictures_decoded"] == 1
    assert all(second.artifact.read(name) for name in second.artifact.names())


@pytest.mark.parametrize("change", ["one more", "one less", "broken", "touched"])
def test_the_result_is_the_same_as_without_an_earlier_version(case: Case, change: str) -> None:
    case.picture("css_train_000007").write_bytes(b"no picture")
    first = case.prepare()
    item = "css_train_000100"
    if change == "one less":
        case.picture(item).unlink()
    elif change == "broken":
        case.picture(item).write_bytes(case.picture(item).read_bytes()[:60])
    elif change == "touched":
        os.utime(case.picture(item))
    else:
        path = Path(case.source.path) / "items.parquet"
        rows = [*PreparedDataset(first.artifact).items.to_pylist(), {"item_id": "css_train_000007"}]
        rows = [{**row, "path": f"images/{row['item_id']}.png"} for row in rows]
        new = {"item_id": "css_train_000100-new", "path": f"images/{item}.png", "splits": ["train"]}
        path.write_bytes(table_bytes(items_table([*rows, new])))
    second = case.prepare()
    fresh = case.prepare(name="fresh")
    assert second.changed
    # The picture that is none, in another part or the same, leaves nothing by which it would be known again.
    assert summary(second)["timing"]["pictures_decoded"] <= 2
    assert second.artifact.manifest.files == fresh.artifact.manifest.files
    assert second.rejects == fresh.rejects
    assert second.rejects["not-an-image"] == 1
    assert (second.artifact.digest == first.artifact.digest) == (change == "touched")
    assert 0 < summary(second)["timing"]["pictures_read"] < 150
    assert summary(fresh)["timing"]["pictures_read"] > 400


def test_an_earlier_version_that_is_damaged_costs_only_time(case: Case) -> None:
    first = case.prepare()
    for entry in first.artifact.manifest.files[:3]:
        (first.artifact.place / entry.path).delete()
    os.utime(case.picture("css_train_000100"))
    second = case.prepare()
    assert second.artifact.digest == first.artifact.digest
    (second.artifact.place / second.artifact.entry("hashes.parquet").path).write(b"no parquet")
    os.utime(case.picture("css_train_000101"))
    assert case.prepare().artifact.digest == first.artifact.digest


def test_train_items_that_the_test_split_shows_are_left_out(case: Case) -> None:
    case.prepare()
    config = override(CONFIG, ["drop_train_duplicates_of=[test]"])
    case.replace("css_train_000010", by="css_test_000003")
    once = case.prepare(config)
    dropped = [r for r in rejects_of(PreparedDataset(once.artifact).part("rejects.parquet")) if r.kind == "item"]
    assert "css_train_000010" in {reject.id for reject in dropped}
    assert {reject.reason for reject in dropped} == {"duplicate-of-other-split"}
    kept = PreparedDataset(once.artifact).items["item_id"].to_pylist()
    assert not {reject.id for reject in dropped} & set(kept)
    listed = {entry.path for entry in once.artifact.manifest.files}
    there = {file.path for file in once.artifact.place.files()}
    assert there == listed | {"manifest.json", "report.html", "summary.json"}

    case.replace("css_train_000010", by="css_train_000011")
    again, fresh = case.prepare(config), case.prepare(config, "fresh")
    assert again.artifact.manifest.files == fresh.artifact.manifest.files
    assert ("css_train_000010" in PreparedDataset(again.artifact).items["item_id"].to_pylist()) == (
        "css_train_000010" not in {r.id for r in rejects_of(PreparedDataset(fresh.artifact).part("rejects.parquet"))}
    )


def test_duplicates_and_the_report_are_there(case: Case) -> None:
    case.replace("css_train_000010", by="css_train_000011")
    case.picture("css_train_000020").write_bytes(b"<script>alert(1)</script>")
    result = case.prepare()
    rows = PreparedDataset(result.artifact).part("duplicates.parquet").to_pylist()
    assert {"item_id": "css_train_000011", "duplicate_of": "css_train_000010", "kind": "same-bytes"} in rows
    assert result.artifact.manifest.details["duplicates"]["same-bytes"] >= 1
    page = (result.artifact.place / "report.html").read().decode()
    assert page.count("data:image/png;base64,") >= 8
    assert "not-an-image" in page
    assert "<script" not in page
    facts = summary(result)
    assert facts["counts"] == result.counts
    assert facts["rejects"] == result.rejects
    assert facts["texts"]["train"]["texts"] == result.counts["triplets_train"]  # type: ignore[index]
    assert "report.html" not in result.artifact.names()


def _files(folder: Path, pattern: str) -> Callable[[], bool]:
    return lambda: any(folder.glob(pattern))


@pytest.mark.slow
def test_killed_at_any_moment_a_rerun_ends_with_the_same_bytes(case: Case, tmp_path: Path) -> None:
    whole = case.prepare().artifact
    root = tmp_path / "killed"
    root.mkdir()
    version = root / "datasets" / "toy" / whole.version
    moments = [
        _files(version, "items/part-*"),
        _files(version, "items/part-0001*"),
        _files(version, "triplets-*/*"),
        _files(version, "rejects.*"),
        _files(version, "manifest.json"),
    ]
    command = [sys.executable, "-m", "cirray", "prepare", "css-2d", "--root", str(root), "--name", "toy"]
    command += ["--source", case.source.path, *(part for setting in SETTINGS for part in ("--set", setting))]
    environment = {**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    for reached in moments:
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 90
            while not reached() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            assert reached(), "the moment never came"
            process.send_signal(signal.SIGKILL)
    last = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert last.returncode == 0, last.stderr
    found = Root.open(str(root)).dataset("toy").open()
    assert found.manifest.files == whole.manifest.files
    assert all(found.read(name) for name in found.names())


@pytest.mark.slow
def test_pictures_that_kill_workers_are_rejected_and_named(tmp_path: Path) -> None:
    source, root = tmp_path / "source", tmp_path / "root"
    source.mkdir()
    root.mkdir()
    rows = []
    for number in range(40):
        data = deadly_picture(number) if number in (3, 27) else plain_png((number, number, 0), (8, 8))
        (source / f"{number:02d}.png").write_bytes(data)
        rows.append(f"{number:02d},{number:02d}.png,train")
    (source / "items.csv").write_text("\n".join(["id,image,split", *rows]))
    (tmp_path / "settings.yaml").write_text(CATALOG)
    arguments = ["prepare", "catalog", "--root", str(root), "--source", str(source), "--json"]
    arguments += ["--config", str(tmp_path / "settings.yaml")]
    # A Ray of its own, whose workers, and what they start, die of such pictures.
    path = os.pathsep.join([deadly_path(tmp_path / "deadly"), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("RAY_ADDRESS", None)
    command = [sys.executable, "-m", "cirray", *arguments]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["rejects"] == {"crashes-decoder": 2}
    artifact = Root.open(str(root)).dataset("catalog").open()
    found = {reject.id: reject.detail for reject in rejects_of(table_from(artifact.read("rejects.parquet")))}
    assert found == {
        "03": "03.png: the process that decodes it dies of it",
        "27": "27.png: the process that decodes it dies of it",
    }
    assert told["counts"]["items"] == 38
