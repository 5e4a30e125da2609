"""Weights from files: read without running code, and refused where they are not those of the network."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from cirray.encoders.initial_weights import initial_weights_wanted, no_initial_weights
from cirray.encoders.weights import fill, read_weights, start_from
from cirray.errors import ConfigError
from cirray.storage import Location


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def state(seed: int = 1) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.randn(value.shape, generator=generator) if value.is_floating_point() else value
        for key, value in network().state_dict().items()
    }


def put(place: Location, content: Any) -> str:
    import io

    buffer = io.BytesIO()
    torch.save(content, buffer)
    place.write(buffer.getvalue())
    return place.uri


def assert_equal(found: Any, expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_both_formats_are_read_from_a_folder_and_a_bucket(place_uri: str) -> None:
    place = Location.parse(place_uri)
    assert_equal(read_weights(put(place / "a.pth", state())), state())
    assert_equal(read_weights(put(place / "nested.pt", {"state_dict": state(), "epoch": 3})), state())
    (place / "a.safetensors").write(safetensors.torch.save(state()))
    assert_equal(read_weights((place / "a.safetensors").uri), state())


class Harmful:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("code from the file was run",))


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    place = Location.parse(str(tmp_path / "harmful.pth"))
    put(place, {"weight": Harmful()})
    with pytest.raises(ConfigError, match="holds no weights"):
        read_weights(place.uri)
    place.write(pickle.dumps(Harmful(), protocol=2))
    with pytest.raises(ConfigError, match="holds no weights"):
        read_weights(place.uri)


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
@pytest.mark.parametrize("data", [b"", b"no weights at all", bytes(2000)])
def test_a_file_of_something_else_is_an_error(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=r"holds no weights.*safetensors file"):
        read_weights(str(tmp_path / name))


def test_a_value_that_is_not_finite_is_told_with_its_place() -> None:
    broken = state()
    broken["0.bias"][1] = float("nan")
    with pytest.raises(ConfigError, match=r"1 with values that are not finite: 0\.bias"):
        fill(network(), broken, "x.pth")


@pytest.mark.parametrize("content", [[1, 2], {"lr": 0.1}, torch.zeros(2)])
def test_a_file_without_names_of_weights_is_an_error(tmp_path: Path, content: Any) -> None:
    uri = put(Location.parse(str(tmp_path / "x.pth")), content)
    with pytest.raises(ConfigError, match="something else than weights by name"):
        read_weights(uri)


def test_no_file_is_an_error_that_says_what_else_may_be_given(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.pth.*'none', 'ours', or the path or URI"):
        start_from(network(), str(tmp_path / "gone.pth"), {"ours": state})


def test_weights_are_put_in_unless_others_come_later() -> None:
    made, before = network(), network().state_dict()
    start_from(made, "none", {"ours": state})
    with no_initial_weights():
        assert not initial_weights_wanted()
        start_from(made, "ours", {"ours": state})
    assert initial_weights_wanted()
    assert_equal(made.state_dict(), before)
    start_from(made, "ours", {"ours": state})
    assert_equal(made.state_dict(), state())


def test_what_the_network_leaves_out_or_holds_only_a_part_of_is_left_out() -> None:
    made = network()
    start_from(made, "ours", {"ours": lambda: {**state(), "fc.weight": torch.zeros(9)}}, surplus=["fc."])
    assert_equal(made.state_dict(), state())
    nested = {f"tower.{key}": value for key, value in state(2).items()} | {"other": torch.zeros(1)}
    start_from(made, "ours", {"ours": lambda: nested}, within="tower.")
    assert_equal(made.state_dict(), state(2))


def test_files_that_do_not_count_batches_are_taken() -> None:
    made, old = network(), state()
    del old["1.num_batches_tracked"]
    fill(made, old, "old")
    assert_equal(made.state_dict(), state())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"0.weight": None}, "1 missing: 0.weight"),
        (
            {"0.weight": None, "0.bias": None, "1.bias": None, "1.weight": None},
            "4 missing: 0.weight, 0.bias, 1.weight, …",
        ),
        ({"fc.weight": torch.zeros(1)}, "1 unknown: fc.weight"),
        ({"0.weight": torch.zeros(2, 4)}, r"1 of another shape: 0.weight \(2, 4\) instead of \(2, 3\)"),
    ],
)
def test_weights_of_another_network_are_an_error_and_change_nothing(changes: dict[str, Any], message: str) -> None:
    made = network()
    wrong = {key: value for key, value in {**state(), **changes}.items() if value is not None}
    with pytest.raises(ConfigError, match=f"'ours' are not those of this encoder.*{message}.*same network"):
        fill(made, wrong, "ours")
    assert_equal(made.state_dict(), network().state_dict())
