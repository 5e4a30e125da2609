"""What benchmark jobs print and write, and the pictures that they are made with."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from cirray.cli import benchmark_pictures
from cirray.cli.benchmark import Measurement, Results
from cirray.cli.benchmark_conditions import environment
from cirray.cli.benchmark_decoders import decode_file, scale_file
from cirray.cli.benchmark_ingest import QUICK
from cirray.cli.benchmark_pictures import SIZE, write_pictures
from cirray.cli.benchmark_shares import measure_shares
from cirray.cli.memory import PeakMemory, family
from cirray.config import override
from cirray.datasets import decode
from cirray.prepare import PrepareConfig
from cirray.prepare.part import check_picture


@pytest.mark.parametrize(
    ("measurement", "goal", "holds"),
    [
        (Measurement("speed", 1.0, "ratio"), "", None),
        (Measurement.at_least("speed", 0.9, "ratio", 0.9), "≥ 0.9", True),
        (Measurement.at_least("speed", 0.8, "ratio", 0.9), "≥ 0.9", False),
        (Measurement.at_most("memory", 1.1, "ratio", 1.1), "≤ 1.1", True),
        (Measurement.at_most("memory", 2, "ratio", 1), "≤ 1", False),
        (Measurement.at_least("speed", 0.8, "ratio", 0.9, judged=False), "≥ 0.9", None),
        (Measurement.at_most("memory", 2, "ratio", 1, judged=False), "≤ 1", None),
    ],
)
def test_a_measurement_says_whether_its_goal_holds(measurement: Measurement, goal: str, holds: bool | None) -> None:
    assert (measurement.goal, measurement.holds) == (goal, holds)
    results = Results("speeds", measurements=[Measurement.at_least("other", 1, "s", 0), measurement])
    assert results.missed is (holds is False)


def test_results_are_a_table_for_people_and_a_list_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = Results("ingest", {"images": 3})
    results.add(Measurement.at_least("prepare / decoder", 0.95, "ratio", 0.9), Measurement("first batch", 1.5, "s"))
    results.report(tmp_path / "out.json")
    printed = capsys.readouterr().out
    assert "≥ 0.9" in printed
    assert "first batch" in printed
    first, second = json.loads((tmp_path / "out.json").read_text())
    assert {key: first[key] for key in ("name", "value", "unit", "goal", "holds")} == {
        "name": "prepare / decoder",
        "value": 0.95,
        "unit": "ratio",
        "goal": "≥ 0.9",
        "holds": True,
    }
    assert second["holds"] is None
    assert first["machine"]["cores"] >= 1
    assert "torch" in first["versions"]
    assert first["settings"] == {"images": 3}


def test_the_environment_is_put_back() -> None:
    os.environ.pop("CIRRAY_TEST", None)
    with environment(CIRRAY_TEST="1"):
        assert os.environ["CIRRAY_TEST"] == "1"
    assert "CIRRAY_TEST" not in os.environ


def test_pictures_have_bytes_of_their_own_a_realistic_size_and_follow_from_the_seed(tmp_path: Path) -> None:
    found = []
    for number in range(2):
        benchmark_pictures._drawn.cache_clear()
        found.append(sorted(write_pictures(tmp_path / str(number), 60, seed=1).iterdir()))
    data = [[path.read_bytes() for path in paths] for paths in found]
    assert data[0] == data[1]
    assert len(set(data[0])) == 60
    assert {path.suffix for path in found[0]} == {".jpg", ".png"}
    for picture in data[0]:
        assert decode(picture).size == SIZE[::-1]
        with Image.open(io.BytesIO(picture)) as image:
            image.verify()
    jpegs = [len(picture) for picture in data[0] if not picture.startswith(b"\x89PNG")]
    assert 20_000 < sum(jpegs) / len(jpegs) < 120_000


def test_the_bare_decoder_does_the_work_of_preparation(tmp_path: Path) -> None:
    config = override(PrepareConfig.of("benchmark-pictures"), ["resize=longest-side", "size=100"])
    for path in sorted(write_pictures(tmp_path / "pictures", 12, seed=2).iterdir()):  # the last of them is a PNG
        assert scale_file(100, str(path)) == check_picture(path.read_bytes(), config).data
        assert decode_file(str(path)).tobytes() == decode(path.read_bytes()).tobytes()


def test_the_time_of_a_picture_is_told_by_what_it_goes_to(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "pictures", 13, seed=2)
    config = override(PrepareConfig.of("benchmark-pictures"), ["resize=longest-side", "size=100"])
    results = Results("ingest")
    measure_shares(results, config, pictures, tmp_path / "scratch")
    decoder, hashes, rest, ratio = (each.value for each in results.measurements)
    assert 0 < hashes < decoder
    assert rest >= 0
    assert ratio == pytest.approx(decoder / (decoder + hashes + rest)) or rest == 0


def test_goals_that_cannot_be_judged_are_told_apart_from_those_that_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert not QUICK.judged
    results = Results("ingest")
    results.add(Measurement.at_least("prepare / decoder", 0.5, "ratio", 0.9, judged=False))
    results.report()
    assert "not judged" in capsys.readouterr().out
    assert not results.missed


def peak_mib_holding(mib: int) -> float:
    with PeakMemory() as memory:
        taken = bytearray(b"x") * (mib << 20)
    assert len(taken) == mib << 20
    return memory.peak_mib


def test_peak_memory_counts_what_is_held() -> None:
    assert os.getpid() in family(os.getpid())
    # In a process of its own: what Ray's processes, children of this one, take and give back is no concern here.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        idle = alone.submit(peak_mib_holding, 0).result()
        assert alone.submit(peak_mib_holding, 100).result() == pytest.approx(idle + 100, abs=10)
