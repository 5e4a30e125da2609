"""Reading, writing and committing through a network that throttles, resets, cuts and loses answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from cirray.errors import StorageError
from cirray.storage import Artifact, Location, Manifest, commit, conditional, put_file, s3
from tests.faulty_proxy import Fault, FaultyProxy, faulty_proxy, first

SMALL, LARGE = b"small" * 1000, os.urandom(6 << 20)
FAULTS: tuple[Fault, ...] = ("slow-down", "reset", "cut", "lost-answer")


@pytest.fixture(scope="module")
def proxy(bucket: str) -> Iterator[FaultyProxy]:
    """Return a proxy in front of the object store, which has two objects already."""
    (Location.parse(bucket) / "network" / "small").write(SMALL)
    (Location.parse(bucket) / "network" / "large").write(LARGE)
    with faulty_proxy(os.environ["AWS_ENDPOINT_URL"], lambda method, path: None) as running:
        yield running


@pytest.fixture
def place(bucket: str, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> Location:
    """Return a prefix that is reached through the proxy."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    proxy.done.clear()
    return Location.parse(bucket) / "network"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("name", "content"), [("small", SMALL), ("large", LARGE)])
def test_a_read_ends_with_the_whole_content(
    place: Location, proxy: FaultyProxy, fault: Fault, name: str, content: bytes
) -> None:
    proxy.decide = first(2, fault, "GET")
    assert (place / name).read() == content
    assert proxy.done[fault] == 2


@pytest.mark.parametrize("fault", ["slow-down", "reset", "lost-answer"])
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_a_write_ends_with_the_whole_content(
    place: Location, proxy: FaultyProxy, fault: Fault, content: bytes
) -> None:
    proxy.decide = first(1, fault, "PUT")
    (place / f"written-{fault}-{len(content)}").write(content)
    assert proxy.done[fault] == 1
    assert (place / f"written-{fault}-{len(content)}").read() == content


@pytest.mark.parametrize("fault", ["slow-down", "reset"])
def test_a_listing_is_complete(place: Location, proxy: FaultyProxy, fault: Fault) -> None:
    proxy.decide = first(2, fault, "GET")
    assert {"small", "large"} <= {file.path for file in place.files()}
    assert proxy.done[fault] == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_a_tagged_read_ends_with_the_whole_content(place: Location, proxy: FaultyProxy, fault: Fault) -> None:
    proxy.decide = first(2, fault, "GET")
    found = conditional.read_with_tag(place / "small")
    assert found is not None
    assert found[0] == SMALL
    assert proxy.done[fault] == 2


@pytest.mark.parametrize("fault", ["slow-down", "reset", "lost-answer"])
def test_a_commit_whose_answer_is_lost_is_a_commit(place: Location, proxy: FaultyProxy, fault: Fault) -> None:
    target = place / f"artifact-{fault}"
    entry = put_file(target, "a.bin", SMALL)
    proxy.decide = first(1, fault, "PUT")
    made = commit(target, Manifest(kind="dataset", name="n", fingerprint="f" * 64, files=(entry,)))
    assert proxy.done[fault] == 1
    assert Artifact.open(target, "dataset").manifest == made.manifest
    assert made.read("a.bin") == SMALL


@pytest.mark.parametrize(
    "work",
    [
        lambda place: (place / "small").read(),
        lambda place: (place / "new").write(SMALL),
        lambda place: conditional.create(place / "new", SMALL),
        lambda place: conditional.read_with_tag(place / "small"),
        lambda place: list(place.files()),
    ],
    ids=["read", "write", "create", "read_with_tag", "list"],
)
def test_a_store_that_stays_down_is_an_error_that_says_so(
    place: Location, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch, work: Callable[[Location], object]
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    patient = Location.parse(place.uri)  # the number of tries is taken when the connection is made
    proxy.decide = lambda method, path: "slow-down"
    with pytest.raises(StorageError, match=r"s3://cirray-tests/network\S* cannot be"):
        work(patient)
    assert proxy.done["slow-down"] <= 4


@pytest.mark.parametrize(("value", "tries"), [("4", 4), ("", s3.DEFAULT_ATTEMPTS), ("0", s3.DEFAULT_ATTEMPTS)])
def test_the_number_of_tries_is_a_standard_variable(monkeypatch: pytest.MonkeyPatch, value: str, tries: int) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", value)
    assert s3.attempts() == tries
