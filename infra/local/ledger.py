"""The file in which a local service's processes are written down, so that another command can stop them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from infra.local.processes import LocalServiceError, Process, is_running, spawn, stop

# Under the repository, where .gitignore knows it.
DEFAULT_STATE_DIR = Path(__file__).resolve().parents[2] / ".local"


class Record(BaseModel):
    """What is known of a service that was started.

    Attributes:
        scratch: folder with a short path, for sockets and for Ray's sessions; removed on stop.
        leftovers: files that the processes make elsewhere and may not remove; removed on stop.
        processes: name to process.
        facts: name to value, as the service needs them: its addresses, the environment of its clients.
        ready: false until the start has come to its end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scratch: Path
    leftovers: tuple[Path, ...] = ()
    processes: dict[str, Process] = {}
    facts: dict[str, str] = {}
    ready: bool = False


class Ledger:
    """The record of one service in one state folder.

    Args:
        state_dir: folder for records, logs, secrets and data; made if need be, readable by its owner only.
        service: name of the service; one of each can run in a state folder.
        grace_s: seconds the service gets to end by itself.
    """

    def __init__(self, state_dir: Path, service: str, *, grace_s: float) -> None:
        self.state_dir = state_dir.resolve()
        self.service = service
        self._grace_s = grace_s
        self._path = self.state_dir / f"{service}.json"

    def log(self, process: str) -> Path:
        """Return where the output of one of the service's processes goes."""
        return self.state_dir / "logs" / f"{process}.log"

    def read(self) -> Record | None:
        """Return the record of the service where it was started and some process of it is alive."""
        record = self._load()
        return record if record and any(map(is_running, record.processes.values())) else None

    def stop(self) -> bool:
        """End the service and remove its record and scratch folder; return whether anything was running."""
        with self._lock():
            running = self.read() is not None
            self._clear()
            return running

    @contextmanager
    def launch(self) -> Iterator[Launch]:
        """Give the means to start the service's processes; if the block fails, none of them is left behind.

        Raises:
            LocalServiceError: the service is running already.
        """
        with self._lock():
            record = self.read()
            if record is not None and record.ready:
                raise LocalServiceError(
                    f"The {self.service} of {self.state_dir} is already running.", hint="Stop it first."
                )
            # What a start left that was itself killed half way, or a record whose processes are long gone.
            self._clear()
            launch = Launch(self, Record(scratch=Path(tempfile.mkdtemp(prefix="cirray-"))), self._write)
            try:
                yield launch
                launch.finish()
            except BaseException:
                # By what is known here: the file may have been damaged meanwhile, and the processes must end.
                self._clear(launch.record)
                raise

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(self.state_dir / f"{self.service}.lock"):
            yield

    def _write(self, record: Record) -> None:
        write_private(self._path, record.model_dump_json(indent=1))

    def _load(self) -> Record | None:
        try:
            return Record.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise LocalServiceError(
                f"{self._path} is not a record of a local service: {error}.", hint="Remove it and start again."
            ) from error

    def _clear(self, record: Record | None = None) -> None:
        record = record or self._load()
        if record is None:
            return
        stop(record.processes.values(), grace_s=self._grace_s)
        shutil.rmtree(record.scratch, ignore_errors=True)
        for path in record.leftovers:
            path.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)


class Launch:
    """A start under way: every process is on record the moment it exists."""

    def __init__(self, ledger: Ledger, record: Record, write: Callable[[Record], None]) -> None:
        self._ledger = ledger
        self._write = write
        self.record = record
        self._write(record)

    @property
    def scratch(self) -> Path:
        """Folder with a short path that lives as long as the service."""
        return self.record.scratch

    def note(self, facts: Mapping[str, str], leftovers: Iterable[Path] = ()) -> None:
        """Put facts on record, and files to be removed when the service stops."""
        self._update(facts={**self.record.facts, **facts}, leftovers=(*self.record.leftovers, *leftovers))

    def spawn(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start one process of the service and put it on record."""
        process = spawn(command, environment=environment, log=self._ledger.log(name), directory=self.scratch)
        self._update(processes={**self.record.processes, name: process})

    def needs(self) -> dict[Path, Process]:
        """Return log file to process, for `wait_until`."""
        return {self._ledger.log(name): process for name, process in self.record.processes.items()}

    def finish(self) -> None:
        """Put on record that the start has come to its end."""
        self._update(ready=True)

    def _update(self, **changes: object) -> None:
        self.record = self.record.model_copy(update=changes)
        self._write(self.record)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    aside = path.with_name(f"{path.name}.new")
    aside.touch(mode=0o600)
    aside.write_text(text)
    aside.replace(path)
