"""Artifacts: a manifest makes them exist, and only what it lists is read."""

from __future__ import annotations

import json
import threading

import pytest

from cirray.errors import ArtifactError
from cirray.storage import Artifact, Location, Manifest, commit, put_file


def write(place: Location, content: bytes = b"rows") -> Artifact:
    entry = put_file(place, "items/part-00000.parquet", content, rows=4)
    return commit(place, Manifest(kind="dataset", name="toys", fingerprint="f" * 64, files=(entry,)))


def test_a_committed_artifact_is_read_back(place_uri: str) -> None:
    written = write(Location.parse(place_uri) / "v1")
    opened = Artifact.open(Location.parse(place_uri) / "v1", "dataset")
    assert opened.manifest == written.manifest
    assert opened.version == "v1"
    assert opened.names("items/") == ["items/part-00000.parquet"]
    assert opened.read("items/part-00000.parquet") == b"rows"
    assert opened.entry("items/part-00000.parquet").rows == 4
    assert {"cirray", "ray", "torch"} <= opened.manifest.versions.keys()


def test_files_without_a_manifest_do_not_exist(place_uri: str) -> None:
    place = Location.parse(place_uri) / "v1"
    put_file(place, "items/part-00000.parquet", b"half")
    with pytest.raises(ArtifactError, match="no finished dataset"):
        Artifact.open(place, "dataset")


def test_an_attempt_that_died_does_not_get_in_the_way(place_uri: str) -> None:
    place = Location.parse(place_uri) / "v1"
    put_file(place, "items/part-00000.parquet", b"other content of an attempt that died")
    assert write(place).read("items/part-00000.parquet") == b"rows"


def test_the_first_to_commit_wins_and_the_second_gets_the_first_ones(place_uri: str) -> None:
    place = Location.parse(place_uri) / "v1"
    first, second = write(place, b"first"), write(place, b"second")
    assert second.manifest == first.manifest
    assert second.read("items/part-00000.parquet") == b"first"


def test_of_many_at_once_one_wins_and_all_agree(place_uri: str) -> None:
    place = Location.parse(place_uri) / "v1"
    results: list[bytes] = []
    barrier = threading.Barrier(8)

    def race(number: int) -> None:
        barrier.wait()
        results.append(write(place, f"content {number}".encode()).read("items/part-00000.parquet"))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert len(set(results)) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b'{"kind": "dataset"}', b"\x00\xff", b"[]"])
def test_a_corrupt_manifest_is_told_with_the_way_out(place_uri: str, damage: bytes) -> None:
    place = Location.parse(place_uri) / "v1"
    write(place)
    (place / "manifest.json").write(damage)
    with pytest.raises(ArtifactError, match=r"corrupt.*Delete .* make the dataset again"):
        Artifact.open(place, "dataset")


def test_a_later_schema_is_not_guessed_at(place_uri: str) -> None:
    place = Location.parse(place_uri) / "v1"
    write(place)
    manifest = json.loads((place / "manifest.json").read())
    (place / "manifest.json").write(json.dumps({**manifest, "schema_version": 99}).encode())
    with pytest.raises(ArtifactError, match="schema version 99"):
        Artifact.open(place, "dataset")


def test_another_kind_is_refused(place_uri: str) -> None:
    write(Location.parse(place_uri) / "v1")
    with pytest.raises(ArtifactError, match="is a dataset, where a bundle was asked for"):
        Artifact.open(Location.parse(place_uri) / "v1", "bundle")


def test_changed_content_is_noticed(place_uri: str) -> None:
    place = Location.parse(place_uri) / "v1"
    artifact = write(place)
    (place / artifact.manifest.files[0].path).write(b"r0ws")
    with pytest.raises(ArtifactError, match="not what its manifest lists"):
        artifact.read("items/part-00000.parquet")


def test_a_mapped_file_is_what_was_written_and_checked_too(place_uri: str) -> None:
    place = Location.parse(place_uri) / "thing"
    files = (put_file(place, "a.bin", b"abc" * 1000), put_file(place, "empty.bin", b""))
    artifact = commit(place, Manifest(kind="dataset", name="x", fingerprint="f", files=files))
    mapped = artifact.mapped("a.bin")
    assert bytes(mapped) == b"abc" * 1000
    assert isinstance(mapped, memoryview) == place.is_local
    assert bytes(artifact.mapped("empty.bin")) == b""
    for damage in (b"abd" * 1000, b"short", b""):
        (place / artifact.entry("a.bin").path).write(damage)
        with pytest.raises(ArtifactError, match="not what its manifest lists"):
            artifact.mapped("a.bin")


def test_a_file_that_is_not_listed_is_not_read(place_uri: str) -> None:
    place = Location.parse(place_uri) / "v1"
    artifact = write(place)
    (place / "extra").write(b"x")
    with pytest.raises(ArtifactError, match="no file 'extra'"):
        artifact.read("extra")


def test_the_digest_follows_the_content(place_uri: str) -> None:
    place = Location.parse(place_uri)
    assert write(place / "a").digest == write(place / "b").digest
    assert write(place / "c", b"other").digest != write(place / "a").digest
