"""Starts background processes and stops exactly those, never another's.

A process is remembered by its number and the moment it was born, so that a number which the system has given to
somebody else in the meantime is never signalled. Each process leads a session of its own: what it starts is found by
session and by descent, read from `/proc` (hence Linux only).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from cirray.errors import CirrayError

_POLL_S = 0.05


class LocalServiceError(CirrayError):
    """A local service cannot be started or stopped as asked."""

    code = "local-service"


class Process(BaseModel):
    """One process, told apart from a later one with the same number by its moment of birth.

    Attributes:
        pid: process number; also the number of the session it leads.
        born: clock ticks between the start of the machine and the start of the process.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    born: int


class _Row(NamedTuple):
    parent: int
    session: int
    born: int
    alive: bool


def spawn(command: Sequence[str], *, environment: Mapping[str, str], log: Path, directory: Path) -> Process:
    """Start a command in a session of its own and return without waiting for it.

    Args:
        command: the program and its arguments.
        environment: the whole environment of the process.
        log: file to which the output is appended.
        directory: working directory of the process.

    Raises:
        LocalServiceError: the program cannot be started, or is already gone.
    """
    if not Path("/proc/self/stat").exists():
        raise LocalServiceError(
            "The local cluster and object store need /proc.", hint="Run them on Linux, or in a Linux container."
        )
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("ab") as output:
            handle = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise LocalServiceError(f"{command[0]} cannot be started: {error}.") from error
    row = _row(handle.pid)
    # The record of the service owns the process from here on; the handle must not complain when it is dropped.
    handle.returncode = 0
    if row is None:
        raise LocalServiceError(f"{command[0]} ended at once.", hint=f"See {log}.")
    return Process(pid=handle.pid, born=row.born)


def process_with(pid: int) -> Process | None:
    """Return the living process that has a number now, or None."""
    row = _row(pid)
    return Process(pid=pid, born=row.born) if row is not None and row.alive else None


def is_running(process: Process) -> bool:
    """Return whether this very process is alive (a zombie is not)."""
    _reap(process.pid)
    row = _row(process.pid)
    return row is not None and row.born == process.born and row.alive


def family(root: Process) -> set[Process]:
    """Return the living processes of the session that `root` leads, and all that descend from them.

    Descent matters besides the session: Ray gives the driver of a submitted job a session of its own. The session
    matters besides descent: what is left of it is still found after `root` itself has died.
    """
    rows = _table()
    current = rows.get(root.pid)
    if current is not None and current.born != root.born:
        # The number is somebody else's now, which the system allows only once the whole session is gone.
        return set()
    members = {pid for pid, row in rows.items() if root.pid in (pid, row.session)}
    while more := {pid for pid, row in rows.items() if row.parent in members} - members:
        members |= more
    return {Process(pid=pid, born=rows[pid].born) for pid in members if rows[pid].alive}


def stop(roots: Iterable[Process], *, grace_s: float, deadline_s: float = 20.0) -> None:
    """End the given processes and everything they started; return when all are gone.

    Args:
        roots: processes from `spawn`. Those that are gone already are passed over.
        grace_s: seconds between the polite signal to the roots and the final one to all that is left.
        deadline_s: seconds to wait after the final signal.

    Raises:
        LocalServiceError: something is still alive at the deadline.
    """
    roots = list(roots)
    families = {root: family(root) for root in roots}
    left = set().union(*families.values())
    for root, members in families.items():
        # A living root tells its own in the order that it knows; what a dead one left has nobody else to tell it.
        for process in [root] if root in members else members:
            _signal(process, signal.SIGTERM)
    started = time.monotonic()
    while left := {process for process in left.union(*map(family, roots)) if is_running(process)}:
        waited = time.monotonic() - started
        if waited > grace_s + deadline_s:
            numbers = ", ".join(str(process.pid) for process in left)
            raise LocalServiceError(f"Processes {numbers} do not end, not even on SIGKILL.")
        if waited > grace_s:
            for process in left:
                _signal(process, signal.SIGKILL)
        time.sleep(_POLL_S)


def wait_until(ready: Callable[[], bool], *, what: str, needs: Mapping[Path, Process], deadline_s: float) -> None:
    """Poll until `ready()` holds.

    Args:
        ready: asks the real thing; called again every 50 ms.
        what: the thing awaited, for the message.
        needs: log file to process; waiting ends early where one of these processes has died.
        deadline_s: seconds to wait at most.

    Raises:
        LocalServiceError: a process died, or the deadline passed; the message ends with the last lines of its log.
    """
    end = time.monotonic() + deadline_s
    while not ready():
        for log, process in needs.items():
            if not is_running(process):
                raise LocalServiceError(f"{what} did not start: a process ended.{_tail(log)}")
        if time.monotonic() > end:
            raise LocalServiceError(
                f"{what} was not ready within {deadline_s:g} s.{''.join(map(_tail, needs))}",
                hint="A busy machine may need a longer deadline.",
            )
        time.sleep(_POLL_S)


def _tail(log: Path, lines: int = 8) -> str:
    text = log.read_text(errors="replace").rstrip().splitlines()[-lines:] if log.exists() else []
    return "\n".join(["", f"Last lines of {log}:", *(f"  {line}" for line in text), ""])


def _signal(process: Process, number: signal.Signals) -> None:
    row = _row(process.pid)
    if row is not None and row.born == process.born:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def _reap(pid: int) -> None:
    # Only a child of ours can be reaped; for all others this is not our business, and the system says so.
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _row(pid: int) -> _Row | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name of the program stands in brackets and may itself hold blanks and brackets: read what follows the last.
    # Fields by proc(5), counted from the third: state, parent, group, session, …, start time as number 22.
    fields = text.rpartition(")")[2].split()
    return _Row(int(fields[1]), int(fields[3]), int(fields[19]), fields[0] not in ("Z", "X"))


def _table() -> dict[int, _Row]:
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {pid: row for pid in pids if (row := _row(pid)) is not None}
