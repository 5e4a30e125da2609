"""What every registered image encoder must keep to."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, NamedTuple

import pytest
import torch

from cirray.bundles import Bundle, save_bundle
from cirray.composers import Retriever
from cirray.config import Choice, from_mapping
from cirray.encoders import ImageEncoder, Preprocessing, image_encoders
from cirray.errors import ConfigError
from cirray.storage import Location
from tests.small_models import VOCABULARY, small_config


class Case(NamedTuple):
    """An encoder, the size of its pictures, and the package without which it cannot be tried."""

    settings: dict[str, Any]
    size: int = 64
    package: str = "torch"


CASES = {
    "small-cnn": Case({"widths": [4, 6], "strides": [2, 2]}, 16),
    "resnet": Case({}),
    "resnet-50": Case({"name": "resnet", "depth": 50, "levels": [2, 3]}),
    "mobilenet": Case({}),
    "mobilenet-v3": Case({"name": "mobilenet", "version": "v3-small"}),
    "efficientnet-lite0": Case({}, package="efficientnet_lite_pytorch"),
    "timm": Case({"model": "test_resnet"}, package="timm"),
    "timm-transformer": Case({"name": "timm", "model": "test_vit", "image_size": 64}, package="timm"),
    "timm-channels-last": Case({"name": "timm", "model": "test_mambaout"}, package="timm"),
    "open-clip": Case({"model": "RN50", "image_size": 64}, package="open_clip"),
    "open-clip-transformer": Case({"name": "open-clip", "model": "ViT-S-32", "image_size": 64}, package="open_clip"),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    found = CASES[request.param]
    pytest.importorskip(found.package)
    return found._replace(settings={"name": request.param, **found.settings})


def config_of(case: Case) -> Choice:
    kind: type[Choice] = image_encoders[case.settings["name"]].Config
    return from_mapping(kind, case.settings)


def encoder_of(case: Case) -> ImageEncoder:
    torch.manual_seed(0)
    encoder: ImageEncoder = image_encoders[case.settings["name"]](config_of(case))
    with torch.no_grad():
        for weight in encoder.parameters():
            # Some networks begin with branches multiplied by zero, through which no gradient goes.
            weight.add_(0.02 * torch.randn_like(weight))
    return encoder


def images_for(case: Case, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, case.size, case.size, generator=torch.Generator().manual_seed(1))


def test_every_registered_encoder_is_tried() -> None:
    assert {case.settings.get("name", name) for name, case in CASES.items()} == set(image_encoders)


def test_shape_tells_the_sizes_of_the_features(case: Case) -> None:
    encoder = encoder_of(case).train()
    shape = encoder.shape(case.size, case.size)
    assert encoder.training
    features = encoder(images_for(case))
    assert tuple(tuple(each.shape[1:]) for each in features.maps) == shape.maps
    assert features.pooled.shape == (3, shape.pooled)
    heights = [each.height for each in shape.maps]
    assert heights == sorted(heights, reverse=True)
    assert shape.maps[-1].height * encoder.stride == case.size


def test_a_picture_has_the_same_features_alone_and_beside_others(case: Case) -> None:
    encoder, images = encoder_of(case).eval(), images_for(case)
    with torch.no_grad():
        together, alone = encoder(images), encoder(images[1:2])
    for found, expected in zip((*alone.maps, alone.pooled), (*together.maps, together.pooled), strict=True):
        torch.testing.assert_close(found[0], expected[1], rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_a_gradient_reaches_every_weight(case: Case) -> None:
    encoder = encoder_of(case).train()
    features = encoder(images_for(case))
    sum((each * torch.randn_like(each)).sum() for each in (*features.maps, features.pooled)).backward()
    without = [key for key, weight in encoder.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert without == []


def test_channels_may_come_last_in_memory(case: Case) -> None:
    encoder, images = encoder_of(case).eval(), images_for(case)
    with torch.no_grad():
        expected = encoder(images)
        found = encoder.to(memory_format=torch.channels_last)(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(
        found.pooled, expected.pooled, rtol=1e-3, atol=1e-4 * float(expected.pooled.abs().max())
    )


def test_it_runs_under_autocast(case: Case) -> None:
    encoder = encoder_of(case).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = encoder(images_for(case))
    assert all(bool(torch.isfinite(each.float()).all()) for each in (*features.maps, features.pooled))


def test_equal_seeds_give_equal_encoders_and_the_configuration_survives_json(case: Case) -> None:
    first, second = encoder_of(case).state_dict(), encoder_of(case).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    config = config_of(case)
    assert type(config).model_validate_json(config.model_dump_json()) == config


def test_the_file_and_the_packages_that_decide_its_weights_are_told(case: Case) -> None:
    config = config_of(case)
    assert config.source_files() == ()
    if "weights" in type(config).model_fields:
        assert config.model_copy(update={"weights": "a/file.pth"}).source_files() == ("a/file.pth",)
    assert (case.package in ("torch", "torchvision")) is (config.packages() == ())
    assert all(version(package) for package in config.packages())


def test_too_small_a_picture_is_an_error_that_says_which_size_would_do(case: Case) -> None:
    encoder = encoder_of(case)
    with pytest.raises(
        ConfigError, match=rf"{encoder.stride // 2}×.*Set model.preprocessing.height.*{encoder.stride} or"
    ):
        encoder.shape(encoder.stride // 2, 2 * encoder.stride)


def test_a_bundle_opens_without_the_file_that_its_weights_started_from(case: Case, tmp_path: Any) -> None:
    if "weights" not in type(config_of(case)).model_fields:
        pytest.skip("it starts from random weights only")
    model_config = small_config("image-only").model_copy(
        update={
            "preprocessing": Preprocessing(height=case.size, width=case.size),
            "image_encoder": config_of(case).model_copy(update={"weights": str(tmp_path / "gone.pth")}),
        }
    )
    with pytest.raises(ConfigError, match=r"gone\.pth"):
        Retriever(model_config, VOCABULARY)
    plain = model_config.model_copy(update={"image_encoder": config_of(case)})
    model = Retriever(plain, VOCABULARY).eval()
    model.config = model_config
    place = Location.parse(str(tmp_path / "bundle"))
    artifact = save_bundle(
        place,
        name="m",
        fingerprint="f" * 64,
        model=model,
        vocabulary=VOCABULARY,
        inputs={},
        settings={},
        details={"dataset": "d@1"},
    )
    assert set(config_of(case).packages()) <= artifact.manifest.versions.keys()
    opened = Bundle.open(artifact).model
    assert opened.config == model_config
    before = model.state_dict()
    assert all(torch.equal(value, before[key]) for key, value in opened.state_dict().items())
