"""A lease has one holder at a time, and outlives none for long."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cirray.errors import ConflictError, StorageError
from cirray.storage import Location, conditional
from cirray.storage import lease as module
from cirray.storage.lease import check_lease, lease

BEAT_S = 0.05


def place_of(uri: str) -> Location:
    return Location.parse(uri) / "runs" / "one" / "lease.json"


def record(place: Location) -> module._Record:
    found = conditional.read_with_tag(place)
    assert found is not None
    return module._Record.model_validate_json(found[0])


def test_one_holds_it_and_then_another(place_uri: str) -> None:
    place = place_of(place_uri)
    owners = []
    for _ in range(2):
        with lease(place, beat_s=BEAT_S) as owner:
            assert check_lease(place, owner)
            owners.append(owner)
        assert not check_lease(place, owner)
    assert owners[0] != owners[1]


def test_it_shows_signs_of_life(place_uri: str) -> None:
    place = place_of(place_uri)
    with lease(place, beat_s=BEAT_S) as owner:
        while record(place).beat < 3:
            assert record(place).owner == owner


def test_nobody_gets_it_from_one_who_is_alive(place_uri: str) -> None:
    place, said = place_of(place_uri), list[str]()
    with lease(place, beat_s=BEAT_S) as owner:
        with (
            pytest.raises(ConflictError, match=rf"process {os.getpid()} .*is alive.*end it first"),
            lease(place, say=said.append, beat_s=BEAT_S, stale_s=60),
        ):
            raise AssertionError("held twice")
        assert check_lease(place, owner)
    assert len(said) == 1


HOLD = """
import sys
from cirray.storage import Location
from cirray.storage.lease import lease
with lease(Location.parse(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_of_a_process_that_is_gone_it_is_had_at_once(place_uri: str) -> None:
    place = place_of(place_uri)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, place.uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConflictError, match="is alive"), lease(place, stale_s=60):
            raise AssertionError("held twice")
        holder.kill()
    with lease(place, stale_s=600, say=lambda text: pytest.fail(text)) as owner:
        assert check_lease(place, owner)


def test_of_a_machine_that_is_gone_it_is_had_after_a_while(place_uri: str) -> None:
    place, said = place_of(place_uri), list[str]()
    far = module._Record(owner="far", told="process 7 of far", machine="another boot", pid=os.getpid(), born="1")
    assert conditional.create(place, far.model_dump_json().encode())
    with lease(place, say=said.append, stale_s=0.3) as owner:
        assert check_lease(place, owner)
    assert len(said) == 1
    assert "process 7 of far" in said[0]


def test_of_many_who_want_it_one_gets_it(place_uri: str) -> None:
    place = place_of(place_uri)
    results: list[str] = []
    start, leave = threading.Barrier(4), threading.Event()

    def want() -> None:
        start.wait()
        try:
            with lease(place, beat_s=BEAT_S, stale_s=60):
                results.append("held")
                assert leave.wait(20)
        except ConflictError:
            results.append("refused")
        if len(results) == 4:
            leave.set()

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["held", "refused", "refused", "refused"]


def test_a_lost_lease_is_not_taken_back(place_uri: str) -> None:
    place = place_of(place_uri)
    with lease(place, beat_s=BEAT_S) as owner:
        other = module._Record(owner="other")
        while True:
            found = conditional.read_with_tag(place)
            assert found is not None
            try:
                conditional.replace(place, other.model_dump_json().encode(), found[1])
                break
            except ConflictError:
                continue  # a beat was quicker
        assert not check_lease(place, owner)
    assert record(place).owner == "other"


def test_a_damaged_file_goes_stale(tmp_path: Path) -> None:
    place = place_of(str(tmp_path))
    place.write(b"{half")
    with lease(place, stale_s=0.2) as owner:
        assert check_lease(place, owner)


def test_a_root_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "runs").write_bytes(b"a file where a folder should be")
    with pytest.raises(StorageError, match="cannot be written"), lease(place_of(str(tmp_path))):
        raise AssertionError("held")
