"""Of what the time of preparing a picture consists, on one core and without Ray: what bounds the ratios."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cirray.cli.benchmark import Measurement, Results
from cirray.cli.benchmark_decoders import scale_file
from cirray.datasets.pictures import decode
from cirray.datasets.source import Source
from cirray.prepare import PrepareConfig
from cirray.prepare.allocation import keep_freed_memory
from cirray.prepare.hashing import hash_picture
from cirray.prepare.making import read_tables
from cirray.prepare.part import prepare_part
from cirray.prepare.plan import Part
from cirray.storage import Location

SAMPLE = 48
"""Pictures that are timed: each of those that the benchmark draws, once."""

TURNS = 3


def measure_shares(results: Results, config: PrepareConfig, pictures: Path, scratch: Path) -> None:
    """Add the CPU time of one picture: decoded alone, hashed, and as a whole in a part.

    CPU time, and the least of several turns, so that what else the machine does counts little.
    """
    keep_freed_memory()
    part = _part(config, pictures)
    paths = [pictures / file.path for file in part.files]
    encoded = [path.read_bytes() for path in paths]
    prepared = [decode(scale_file(config.size, str(path))) for path in paths]
    source, target = Location.parse(str(pictures)), Location.parse(str(scratch))
    work: dict[str, Callable[[], object]] = {
        "decoder": lambda: [scale_file(config.size, str(path)) for path in paths],
        "hashes": lambda: list(map(hash_picture, encoded, prepared)),
        "part": partial(prepare_part, part, source, target, config),
    }
    took = {name: [_cpu_seconds(work[name]) for _ in range(TURNS)] for name in work}
    decoder, hashes, whole = (1000 * min(each) / len(paths) for each in took.values())
    results.add(
        Measurement("a picture, bare decoder", decoder, "CPU ms", note="on one core, no Ray, as are the next two"),
        Measurement("a picture, hashes", hashes, "CPU ms"),
        Measurement("a picture, checks, tables and files", max(0.0, whole - decoder - hashes), "CPU ms"),
        Measurement("part / bare decoder", decoder / whole, "ratio", note="what is left to 'prepare' is Ray's"),
    )


def _part(config: PrepareConfig, pictures: Path) -> Part:
    source = Source.open(Location.parse(str(pictures)))
    items = read_tables(source, config).items.slice(0, SAMPLE)
    files = {file.path: file for file in source.files}
    return Part(0, items, [files[path] for path in items["path"].to_pylist()], {})


def _cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
