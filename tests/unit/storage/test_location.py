"""Places: parsing, reading and writing whole files, listing."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from cirray.errors import StorageError
from cirray.storage import Location


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
