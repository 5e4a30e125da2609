"""Starting and stopping of local processes: exactly those, all of those, and nothing left where a start fails."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
from pathlib import Path

import pytest

from infra.local.ledger import Ledger, write_private
from infra.local.ports import free_ports
from infra.local.processes import LocalServiceError, Process, family, is_running, spawn, stop, wait_until

# Does what is put at {before}, writes down its number, and then does nothing.
IDLE = """
import os, signal, subprocess, sys
{before}
open(sys.argv[1] + ".part", "w").write(str(os.getpid()))
os.rename(sys.argv[1] + ".part", sys.argv[1])
signal.pause()
"""
# A child in a session of its own, as Ray gives to the driver of a job.
WITH_CHILD = """
subprocess.Popen([sys.executable, "-c", {child!r}, sys.argv[1] + "-child"], start_new_session=True)
"""
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def start_idle(folder: Path, *, before: str = "") -> Process:
    command = [sys.executable, "-c", IDLE.format(before=before), str(folder / "pid")]
    process = spawn(command, environment=os.environ, log=folder / "log", directory=folder)
    wait_until((folder / "pid").exists, what="the process", needs={folder / "log": process}, deadline_s=20)
    return process


def start_family(folder: Path) -> tuple[Process, int]:
    """Start a process with a child in another session; return the process and the child's number."""
    child_file = folder / "pid-child"
    root = start_idle(folder, before=WITH_CHILD.format(child=IDLE.format(before=DEAF)))
    wait_until(child_file.exists, what="the child", needs={}, deadline_s=20)
    return root, int(child_file.read_text())


def test_stop_ends_a_process_and_its_descendants_in_other_sessions(tmp_path: Path) -> None:
    root, child_pid = start_family(tmp_path)
    members = family(root)
    assert {member.pid for member in members} == {root.pid, child_pid}
    # The child does not hear SIGTERM: it is the final signal that ends it.
    stop([root], grace_s=0.2)
    assert not any(is_running(member) for member in members)


def test_what_is_left_of_a_session_is_found_after_its_leader_died(tmp_path: Path) -> None:
    child = "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])"
    root = start_idle(tmp_path, before=child)
    os.kill(root.pid, signal.SIGKILL)
    wait_until(lambda: not is_running(root), what="the end", needs={}, deadline_s=20)
    (orphan,) = family(root)
    stop([root], grace_s=5)
    assert not is_running(orphan)


def test_a_number_that_went_to_another_process_is_never_signalled(tmp_path: Path) -> None:
    other = start_idle(tmp_path)
    stale = Process(pid=other.pid, born=other.born - 1)
    assert not is_running(stale)
    assert family(stale) == set()
    stop([stale], grace_s=0)
    assert is_running(other)
    stop([other], grace_s=5)


def test_waiting_ends_when_the_process_has_died_and_shows_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", "print('out of luck'); raise SystemExit(3)"]
    process = spawn(command, environment=os.environ, log=log, directory=tmp_path)
    with pytest.raises(LocalServiceError, match=r"The thing did not start(.|\n)*out of luck"):
        wait_until(lambda: False, what="The thing", needs={log: process}, deadline_s=20)


def test_waiting_ends_at_the_deadline() -> None:
    with pytest.raises(LocalServiceError, match=r"not ready within 0\.1 s"):
        wait_until(lambda: False, what="The thing", needs={}, deadline_s=0.1)


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalServiceError, match="no-such-program cannot be started"):
        spawn(["no-such-program"], environment={}, log=tmp_path / "log", directory=tmp_path)


def ledger(folder: Path) -> Ledger:
    return Ledger(folder / "state", "idler", grace_s=5)


def launch_idle(book: Ledger, folder: Path, *, fail: bool = False) -> tuple[Process, Path]:
    with book.launch() as launch:
        launch.note({"colour": "red"}, leftovers=[folder / "socket"])
        launch.spawn("idler", [sys.executable, "-c", "import signal; signal.pause()"], os.environ)
        (folder / "socket").touch()
        (launch.scratch / "file").touch()
        process, scratch = launch.record.processes["idler"], launch.scratch
        if fail:
            raise KeyboardInterrupt(process, scratch)
    return process, scratch


def test_a_service_is_on_record_until_it_is_stopped(tmp_path: Path) -> None:
    book = ledger(tmp_path)
    assert book.read() is None
    process, scratch = launch_idle(book, tmp_path)
    record = ledger(tmp_path).read()
    assert record is not None
    assert (record.ready, record.facts, record.processes) == (True, {"colour": "red"}, {"idler": process})
    with pytest.raises(LocalServiceError, match=r"already running.*Stop it first"):
        launch_idle(book, tmp_path)
    assert is_running(process)
    assert book.stop()
    assert not is_running(process)
    assert not scratch.exists()
    assert not (tmp_path / "socket").exists()
    assert not book.stop()


def test_a_start_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    book = ledger(tmp_path)
    with pytest.raises(KeyboardInterrupt) as failure:
        launch_idle(book, tmp_path, fail=True)
    process, scratch = failure.value.args
    assert not is_running(process)
    assert not scratch.exists()
    assert not (tmp_path / "socket").exists()
    assert book.read() is None


def test_what_a_killed_start_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    book = ledger(tmp_path)
    process, scratch = launch_idle(book, tmp_path)
    path = tmp_path / "state" / "idler.json"
    record = book.read()
    assert record is not None
    path.write_text(record.model_copy(update={"ready": False}).model_dump_json())
    second, _ = launch_idle(book, tmp_path)
    assert not is_running(process)
    assert not scratch.exists()
    assert is_running(second)
    book.stop()


def test_a_stale_record_hurts_nobody(tmp_path: Path) -> None:
    book = ledger(tmp_path)
    process, _ = launch_idle(book, tmp_path)
    record = book.read()
    assert record is not None
    book.stop()
    # After a restart of the machine: the numbers on record may be anybody's, here this very process's.
    stale = record.model_copy(update={"processes": {"idler": Process(pid=os.getpid(), born=process.born)}})
    (tmp_path / "state" / "idler.json").write_text(stale.model_dump_json())
    assert book.read() is None
    fresh, _ = launch_idle(book, tmp_path)
    assert is_running(fresh)
    book.stop()


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    book = ledger(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "idler.json").write_text("{")
    with pytest.raises(LocalServiceError, match=r"idler\.json is not a record"):
        book.stop()


def test_private_files_are_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    for text in ("first", "second"):
        write_private(path, text)
        assert path.read_text() == text
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_free_ports_are_different_and_free(monkeypatch: pytest.MonkeyPatch) -> None:
    first = free_ports(1)[0]
    monkeypatch.setattr("random.SystemRandom.randrange", lambda self, size: first - 20_000)
    with socket.socket() as taken:
        # Taken at an address other than 127.0.0.1, as the nodes of a cluster do.
        taken.bind(("127.0.0.3", first))
        taken.listen()
        ports = free_ports(5)
    assert first not in ports
    assert len(set(ports)) == 5
    assert all(20_000 <= port < 32_000 for port in ports)


def test_a_start_that_fails_ends_its_processes_even_if_its_record_was_damaged(tmp_path: Path) -> None:
    book = ledger(tmp_path)
    started: list[Process] = []

    def start_and_fail() -> None:
        with book.launch() as launch:
            launch.spawn("idler", [sys.executable, "-c", "import signal; signal.pause()"], os.environ)
            started.append(launch.record.processes["idler"])
            (tmp_path / "state" / "idler.json").write_text('{"scratch": 3}')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start_and_fail()
    assert not is_running(started[0])
    assert not (tmp_path / "state" / "idler.json").exists()
