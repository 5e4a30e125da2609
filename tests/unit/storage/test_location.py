"""Places: parsing, reading and writing whole files, listing."""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from cirray.errors import StorageError
from cirray.storage import Location, s3
from cirray.storage.syncing import Syncing


@pytest.mark.parametrize(
    ("given", "uri"),
    [
        ("/data/cirray", "file:///data/cirray"),
        ("file:///data/cirray/", "file:///data/cirray"),
        ("/data/../other//place", "file:///other/place"),
        ("s3://bucket/some/prefix/", "s3://bucket/some/prefix"),
        ("s3://bucket", "s3://bucket"),
    ],
)
def test_uris_and_paths_name_the_same_places(given: str, uri: str) -> None:
    assert Location.parse(given).uri == uri


def test_a_relative_path_is_taken_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Location.parse("demo").uri == f"file://{tmp_path}/demo"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("gs://bucket/x", "s3://bucket/prefix"),
        ("s3:///x", "names no bucket"),
        ("", "empty string"),
        ("s3:bucket/x", "s3://bucket/prefix"),
        ("file://host/x", "file:///folder"),
        ("s3://bucket/what?", "may have no"),
        ("s3://key:sec/ret@bucket/x", "AWS_ACCESS_KEY_ID"),
        ("s3://key:secret@bucket/x", "AWS_ACCESS_KEY_ID"),
        ("s3://bucket/x?access_key=a&secret_key=b", "AWS_ACCESS_KEY_ID"),
    ],
)
def test_what_is_no_place_is_refused_without_repeating_secrets(given: str, says: str) -> None:
    with pytest.raises(StorageError, match=says) as caught:
        Location.parse(given)
    assert "secret" not in str(caught.value).lower().replace("aws_secret_access_key", "")


def test_what_is_written_is_read_and_listed(place_uri: str) -> None:
    place = Location.parse(place_uri) / "box"
    assert not place.exists()
    assert list(place.files()) == []
    (place / "b" / "two").write(b"22")
    (place / "a").write(b"1")
    (place / "a").write(b"111")
    assert (place / "a").read() == b"111"
    assert [(file.path, file.bytes) for file in place.files()] == [("a", 3), ("b/two", 2)]
    assert all(file.modified_ns > 0 for file in place.files())
    assert place.folders() == ["b"]
    (place / "b").delete()
    assert [file.path for file in place.files()] == ["a"]
    place.delete()
    place.delete()
    assert list(place.files()) == []


def test_a_missing_file_is_named(place_uri: str) -> None:
    with pytest.raises(StorageError, match="nothing-here cannot be read"):
        (Location.parse(place_uri) / "nothing-here").read()


def test_a_bucket_that_does_not_exist_is_an_error(bucket: str) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        (Location.parse("s3://no-such-bucket-at-all") / "x").write(b"1")


def test_a_location_travels_between_processes_by_its_uri(place_uri: str) -> None:
    (Location.parse(place_uri) / "x").write(b"1")
    travelled = pickle.loads(pickle.dumps(Location.parse(place_uri)))
    assert travelled == Location.parse(place_uri)
    assert (travelled / "x").read() == b"1"


def test_a_failed_write_leaves_the_old_content_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Location.parse(str(tmp_path))
    (place / "x").write(b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        (place / "x").write(b"new")
    assert (place / "x").read() == b"old"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%20b", "a\tb", " a b ", "a#b?c=d&e", "a:b"])
def test_names_with_signs_of_uris_are_taken_as_they_stand(name: str, tmp_path: Path) -> None:
    place = Location.parse(f"{tmp_path}/{name}")
    assert place.path == f"{tmp_path}/{name}"
    assert Location.parse(place.uri) == place
    assert pickle.loads(pickle.dumps(place)) == place
    (place / "x").write(b"1")
    assert (tmp_path / name / "x").read_bytes() == b"1"


@pytest.mark.parametrize("key", ["a#b/c", "a%20b", "a b", "a:b", "a@b"])
def test_keys_with_signs_of_uris_are_taken_as_they_stand(key: str, bucket: str) -> None:
    place = Location.parse(f"{bucket}/{key}")
    assert place.uri == f"{bucket}/{key}"
    assert place.path.partition("/")[2] == key
    assert pickle.loads(pickle.dumps(place)) == place
    place.write(key.encode())
    assert place.read() == key.encode()


ODD_KEYS = [
    "a b+c%20d&e=f.png",
    "赤い/ドレス.png",
    "emoji 👗.png",
    "quote'\"<>.png",
    "dots/../up.png",
    "a//b.png",
    "x\x01y.png",
]


def test_every_key_of_a_bucket_is_listed_with_its_etag(bucket: str, tmp_path: Path) -> None:
    place = Location.parse(f"{bucket}/{tmp_path.name}")
    name = bucket.removeprefix("s3://")
    put = s3.client().put_object
    taken = {}
    for key in [*ODD_KEYS, "folder/"]:
        try:
            taken[key] = put(Bucket=name, Key=f"{tmp_path.name}/{key}", Body=key.encode())["ETag"].strip('"')
        except ClientError:  # not every store takes every key
            continue
    assert len(taken) >= 5
    found = {file.path: file.etag for file in place.files()}
    # This store takes two slashes for one.
    assert found == {key.replace("//", "/"): etag for key, etag in taken.items() if not key.endswith("/")}
    for key in taken:
        if not key.endswith("/"):
            assert (place / key).read() == key.encode()
    with pytest.raises(StorageError, match="cannot be written"):
        (place / "x//y").write(b"1")


def test_in_a_bucket_the_content_counts_and_not_the_time(bucket: str, tmp_path: Path) -> None:
    place = Location.parse(f"{bucket}/{tmp_path.name}")
    (place / "x").write(b"red")
    (first,) = place.files()
    (place / "x").write(b"red")
    (again,) = place.files()
    (place / "x").write(b"sky")  # in the same second, and as long
    (other,) = place.files()
    assert again.identity == first.identity != other.identity


def test_folders_in_folders_without_end_are_listed(tmp_path: Path) -> None:
    place, depth = str(tmp_path), 1500
    descriptor = os.open(place, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    assert [file.path for file in Location.parse(place).files()] == ["d/" * depth + "x"]
    subprocess.run(["rm", "-rf", f"{place}/d"], check=True)  # pytest's own removal goes by recursion


def test_a_bucket_that_does_not_exist_cannot_be_listed(bucket: str) -> None:
    with pytest.raises(StorageError, match="no-such-bucket-at-all cannot be listed"):
        list(Location.parse("s3://no-such-bucket-at-all").files())


def test_what_is_not_durable_is_synced_before_the_block_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []

    def sync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    monkeypatch.setattr(os, "fsync", sync)
    place = Location.parse(str(tmp_path))
    (place / "sure").write(b"1")
    assert len(synced) == 1
    with Syncing() as syncing:
        for name in ("a", "b"):
            (place / name).write(b"2", durable=False)
            syncing.add(place / name)
    assert sorted(synced[1:]) == [str(tmp_path / "a"), str(tmp_path / "b")]


def test_a_file_that_is_gone_before_it_is_synced_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="gone cannot be written"), Syncing() as syncing:
        syncing.add(Location.parse(str(tmp_path / "gone")))
