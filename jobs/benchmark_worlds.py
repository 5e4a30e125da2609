"""Job: how fast the synthetic worlds are generated, in a folder that is deleted afterwards.

python jobs/benchmark_worlds.py                        every world at its published size, spread by Ray Data
python jobs/benchmark_worlds.py --quick --json PATH    a sample of each on one core, and what it comes to at full size
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from cirray.cli.benchmark import Measurement, Results
from cirray.cli.display import Display
from cirray.cluster import ray_cluster
from cirray.datasets.worlds import Picture, WorldKind, worlds, write_world
from cirray.prepare.drawing import spread
from cirray.storage import Location

WORLDS = ("css-2d", "css-3d", "cci")
GOAL_S = 600.0
CORES = 2
"""The goal is for a machine of two cores."""
SAMPLE_S = 12.0
"""How long --quick draws of each world."""


def whole(world: WorldKind) -> Iterator[Measurement]:
    """Generate one world at its published size, and say how long it took."""
    with tempfile.TemporaryDirectory() as folder, Display.stderr().step(f"generate {world.name}") as step:
        started = time.monotonic()
        counts = write_world(world.Config(), Location.parse(folder), step, spread(world)).counts
        seconds = time.monotonic() - started
    yield Measurement(f"{world.name}: images", counts["items"], "images")
    yield Measurement.at_most(f"{world.name}: wall clock", seconds, "s", GOAL_S)
    yield Measurement(f"{world.name}: images a second", counts["items"] / seconds, "images/s")


def sample(world: WorldKind) -> Iterator[Measurement]:
    """Draw a part of one world on one core, and say how long all of it would take on `CORES`.

    Seconds are of CPU, so that they do not depend on what else the machine does.
    """
    started = time.process_time()
    pictures = world.plan(world.Config()).pictures
    planned = time.process_time() - started
    drawn, seconds = draw_for(pictures, SAMPLE_S)
    rate = drawn / seconds
    full = planned + len(pictures) / rate / CORES
    yield Measurement(f"{world.name}: images drawn", drawn, f"of {len(pictures):,}")
    yield Measurement(f"{world.name}: thinking it out", planned, "CPU s")
    yield Measurement(f"{world.name}: images a second and core", rate, "images/CPU s")
    yield Measurement.at_most(f"{world.name}: full size on {CORES} cores, extrapolated", full, "s", GOAL_S)


def draw_for(pictures: Sequence[Picture], seconds: float) -> tuple[int, float]:
    """Draw pictures from all over the world for some time of the clock; return how many, and the CPU seconds."""
    step = max(1, len(pictures) // 997)
    deadline, started, drawn = time.monotonic() + seconds, time.process_time(), 0
    for picture in pictures[::step]:
        picture.draw()
        drawn += 1
        if time.monotonic() > deadline:
            break
    return drawn, time.process_time() - started


def main(arguments: list[str]) -> int:
    """Measure, print, and return 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute: a sample, extrapolated")
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the numbers there as well")
    parser.add_argument("--world", choices=list(worlds), action="append", help="only this one; may be repeated")
    options = parser.parse_args(arguments)
    chosen = [worlds[name] for name in options.world or WORLDS]
    results = Results("worlds", {"quick": options.quick, "worlds": [world.name for world in chosen]})
    if options.quick:
        results.add(*(row for world in chosen for row in sample(world)))
    else:
        with ray_cluster():
            results.add(*(row for world in chosen for row in whole(world)))
    results.report(options.json)
    return int(results.missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
