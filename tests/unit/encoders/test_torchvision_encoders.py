"""ResNets and MobileNets: the maps are those of torchvision's own networks, with weights from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import safetensors.torch
import torch
import torchvision
from torchvision.models.feature_extraction import create_feature_extractor

from cirray.config import from_mapping, override
from cirray.encoders.images.mobilenet import VAL_LEVELS, MobileNet, MobileNetConfig
from cirray.encoders.images.resnet import ResNet, ResNetConfig
from cirray.encoders.initial_weights import no_initial_weights
from cirray.errors import ConfigError


def whole(kind: str, seed: int = 3) -> Any:
    torch.manual_seed(seed)
    return torchvision.models.get_model(kind).eval()


def saved(network: Any, folder: Path, ending: str = "pth") -> str:
    path = folder / f"weights.{ending}"
    if ending == "safetensors":
        safetensors.torch.save_file(network.state_dict(), path)
    else:
        torch.save(network.state_dict(), path)
    return str(path)


def expect_maps(encoder: torch.nn.Module, network: Any, nodes: list[str], size: tuple[int, int] = (64, 96)) -> None:
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected = create_feature_extractor(network, nodes)(images)
        features = encoder.eval()(images)
    for found, node in zip(features.maps, nodes, strict=True):
        torch.testing.assert_close(found, expected[node])
    torch.testing.assert_close(features.pooled, torch.flatten(expected[nodes[-1]], 2).mean(2))


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
@pytest.mark.parametrize(("depth", "levels"), [(18, (1, 2, 3, 4)), (18, (2,)), (50, (2, 3, 4)), (50, (1, 3))])
def test_a_resnet_gives_torchvisions_stages(depth: int, levels: tuple[int, ...], ending: str, tmp_path: Path) -> None:
    network = whole(f"resnet{depth}")
    settings = {"name": "resnet", "depth": depth, "levels": levels, "weights": saved(network, tmp_path, ending)}
    encoder = ResNet(from_mapping(ResNetConfig, settings))
    expect_maps(encoder, network, [f"layer{level}" for level in levels])
    assert encoder.stride == 2 ** (levels[-1] + 1)


def test_resnet_at_the_papers_sizes() -> None:
    shape = ResNet(ResNetConfig(depth=50, levels=(2, 3, 4))).shape(256, 256)
    assert shape.maps == ((512, 32, 32), (1024, 16, 16), (2048, 8, 8))
    assert ResNet(ResNetConfig()).shape(224, 224).level(-1) == (512, 7, 7)


@pytest.mark.parametrize(
    ("version", "levels"),
    [("v2", (3, 6, 13, 18)), ("v3-small", (1, 3, 8, 12)), ("v3-large", (3, 6, 12, 16))],
)
def test_a_mobilenet_gives_the_last_block_of_each_size(version: Any, levels: tuple[int, ...], tmp_path: Path) -> None:
    network = whole(f"mobilenet_{version.replace('-', '_')}")
    encoder = MobileNet(MobileNetConfig(version=version, weights=saved(network, tmp_path)))
    expect_maps(encoder, network, [f"features.{level}" for level in levels])
    assert [each.height for each in encoder.shape(64, 64).maps] == [16, 8, 4, 2]


def test_mobilenet_can_be_cut_where_val_cuts_its_own(tmp_path: Path) -> None:
    network = whole("mobilenet_v2")
    encoder = MobileNet(MobileNetConfig(levels=VAL_LEVELS, weights=saved(network, tmp_path)))
    expect_maps(encoder, network, list(VAL_LEVELS))
    assert encoder.shape(224, 224).maps == ((64, 14, 14), (96, 14, 14), (1280, 7, 7))
    short = MobileNet(MobileNetConfig(levels=("features.6",), weights=saved(network, tmp_path)))
    expect_maps(short, network, ["features.6"])
    assert short.stride == 8


@pytest.mark.parametrize("levels", [("features.19",), ("features.6", "features.3"), ("layer2",)])
def test_an_unknown_cut_is_an_error_that_names_the_known_ones(levels: tuple[str, ...]) -> None:
    with pytest.raises(
        ConfigError, match=r"levels (features|layer).*features\.0 to features\.18, in ascending order"
    ):
        MobileNet(MobileNetConfig(levels=levels))


@pytest.mark.parametrize("levels", ["[]", "[5]", "[3, 2]", "[2, 2]"])
def test_stages_that_a_resnet_does_not_have_are_an_error(levels: str) -> None:
    with pytest.raises(ConfigError, match="levels"):
        override(ResNetConfig(), [f"levels={levels}"])


@pytest.mark.parametrize(
    "encoder",
    [lambda: ResNet(ResNetConfig(weights="torchvision")), lambda: MobileNet(MobileNetConfig(weights="torchvision"))],
)
def test_torchvisions_weights_are_downloaded_by_it_and_only_when_wanted(
    encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(url: str, **settings: Any) -> Any:
        asked.append(url)
        assert settings["weights_only"]
        return whole("resnet18" if "resnet18" in url else "mobilenet_v2").state_dict()

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", answer)
    with no_initial_weights():
        encoder()
    assert asked == []
    made = encoder().state_dict()
    assert len(asked) == 1
    expected = answer(asked[0], weights_only=True)
    assert all(torch.equal(value, expected[key.removeprefix("network.")]) for key, value in made.items())


@pytest.mark.parametrize("error", [URLError("no route to host"), RuntimeError("invalid hash value"), TimeoutError()])
def test_weights_that_cannot_be_downloaded_are_an_error(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, **settings: Any) -> Any:
        raise error

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    with pytest.raises(ConfigError, match=r"weights of resnet18 cannot be downloaded from https://.*path or URI"):
        ResNet(ResNetConfig(weights="torchvision"))
