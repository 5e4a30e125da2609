"""What killed jobs leave is found and removed, in a folder and in a real bucket; what is finished or new stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cirray.cli.app import run
from cirray.storage import Manifest, Root, commit, put_file, s3
from cirray.storage.fingerprint import VERSION_LENGTH
from cirray.storage.leftovers import find_leftovers, remove_leftovers

DONE, HALF = "d" * 64, "e" * 64


@pytest.fixture
def root(place_uri: str) -> Root:
    """Return a root with a finished version, half of another, a checkpoint, and files of people."""
    root = Root.open(place_uri, create=True)
    shelf = root.dataset("toy")
    entry = put_file(shelf.version(DONE), "items/part-00000.parquet", b"all")
    commit(shelf.version(DONE), Manifest(kind="dataset", name="toy", fingerprint=DONE, files=(entry,)))
    put_file(shelf.version(HALF), "items/part-00000.parquet", b"half")
    put_file(root.model("a/b").version(HALF), "model.safetensors", b"half")
    (root.runs() / "run" / "state.json").write(b"{}")
    (root.raw("toy") / "images" / "a.png").write(b"picture")
    return root


def paths(root: Root) -> set[str]:
    return {file.path for file in root.place.files()}


def test_unfinished_versions_go_and_all_else_stays(root: Root) -> None:
    before = paths(root)
    found = find_leftovers(root, older_than_s=-60)
    expected = {path for path in before if f"/{'e' * VERSION_LENGTH}/" in path}
    assert len(expected) == 2
    assert {file.path for file in found.files} == expected
    assert found.bytes == 8
    remove_leftovers(root, found)
    assert paths(root) == before - expected
    assert find_leftovers(root, older_than_s=-60).files == ()


def test_a_checkpoint_that_was_never_finished_goes(root: Root) -> None:
    half = root.runs() / "run" / "checkpoints" / "epoch-00001-step-000000"
    put_file(half, "model.safetensors", b"half")
    whole = root.runs() / "run" / "checkpoints" / "epoch-00000-step-000004"
    entry = put_file(whole, "model.safetensors", b"all")
    commit(whole, Manifest(kind="checkpoint", name="run", fingerprint=DONE, files=(entry,)))
    found = [file.path for file in find_leftovers(root, older_than_s=-60).files if file.path.startswith("runs/")]
    assert len(found) == 1
    assert found[0].startswith("runs/run/checkpoints/epoch-00001-step-000000/")


def test_what_is_new_stays(root: Root) -> None:
    assert find_leftovers(root, older_than_s=3600).files == ()


def test_a_version_stays_while_any_of_its_files_is_new(tmp_path: Path) -> None:
    root = Root.open(str(tmp_path))
    place = root.dataset("toy").version(HALF)
    old, _ = put_file(place, "a", b"1"), put_file(place, "b", b"2")
    os.utime(f"{place.path}/{old.path}", (time.time() - 9000,) * 2)
    assert find_leftovers(root, older_than_s=3600).files == ()


def test_files_written_aside_go(tmp_path: Path) -> None:
    aside = tmp_path / "datasets" / "toy" / "latest" / f".alias.json.{'0' * 32}"
    aside.parent.mkdir(parents=True)
    aside.write_bytes(b"half")
    (tmp_path / ".gitignore").write_bytes(b"*")
    root = Root.open(str(tmp_path))
    assert [file.path for file in find_leftovers(root, -60).files] == [str(aside.relative_to(tmp_path))]


def test_uploads_that_were_never_completed_are_aborted(bucket: str, tmp_path: Path) -> None:
    root = Root.open(f"{bucket}/{tmp_path.name}")
    name, key = bucket.removeprefix("s3://"), f"{tmp_path.name}/datasets/big.bin"
    upload = s3.client().create_multipart_upload(Bucket=name, Key=key)["UploadId"]
    s3.client().upload_part(Bucket=name, Key=key, UploadId=upload, PartNumber=1, Body=b"x" * (5 << 20))
    assert find_leftovers(root, older_than_s=3600).uploads == ()
    found = find_leftovers(root, older_than_s=-60)
    assert [each.key for each in found.uploads] == [key]
    remove_leftovers(root, found)
    assert find_leftovers(root, older_than_s=-60).uploads == ()


def test_the_verb_shows_first_and_removes_when_told(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    before = paths(root)
    assert run(["clean", "--root", root.uri, "--older-than-hours", "0", "--dry-run"]) == 0
    assert "files: 2" in capsys.readouterr().out
    assert paths(root) == before
    assert run(["clean", "--root", root.uri, "--older-than-hours", "0"]) == 0
    assert len(paths(root)) == len(before) - 2


def test_a_dataset_whose_name_reads_like_a_version_stays(tmp_path: Path) -> None:
    root = Root.open(str(tmp_path))
    place = root.dataset("shoes/0123456789abcdef").version(DONE)
    entry = put_file(place, "items/part-00000.parquet", b"all")
    commit(place, Manifest(kind="dataset", name="n", fingerprint=DONE, files=(entry,)))
    assert find_leftovers(root, older_than_s=-60).files == ()


def test_what_a_killed_commit_wrote_aside_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Root.open(str(tmp_path))
    place = root.dataset("toy").version(DONE)
    commit(place, Manifest(kind="dataset", name="toy", fingerprint=DONE))

    def killed(path: str, *rest: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", killed)
    monkeypatch.setattr(os, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        commit(root.model("toy").version(DONE), Manifest(kind="bundle", name="toy", fingerprint=DONE))
    monkeypatch.undo()
    (left,) = find_leftovers(root, older_than_s=-60).files
    assert left.path.startswith("models/toy/")


@pytest.mark.parametrize("age", ["nan", "inf", "1e300"])
def test_an_age_that_is_none_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str], age: str) -> None:
    assert run(["clean", "--root", str(tmp_path), "--older-than-hours", age]) == 2
    assert "older-than-hours" in capsys.readouterr().err
