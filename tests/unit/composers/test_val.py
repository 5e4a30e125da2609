"""VAL's composite transformer, against loops over heads, positions and channels."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cirray.composers.composite_transformer import AllChannels, CompositeTransformer, PerHead
from cirray.composers.val import Val, ValConfig
from cirray.encoders import ImageFeatures, ImageShape, MapShape, TextFeatures, TextShape
from cirray.errors import ConfigError
from tests.small_models import image_features, text_features

BATCH, TEXT = 3, 3
# An odd and an even side: the convolution as large as the map is padded otherwise for each.
LEVELS = (MapShape(4, 3, 2), MapShape(6, 2, 2))
IMAGE = ImageShape((MapShape(2, 5, 5), *LEVELS), 6)

Row = list[float]
Map = list[Row]


def composer(**settings: Any) -> Val:
    torch.manual_seed(0)
    config = ValConfig(levels=(-2, -1), text_dim=2, self_weight=0.7, joint_weight=1.3).model_copy(update=settings)
    made = Val(config, IMAGE, TextShape(3, TEXT, TEXT))
    for module in made.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return made.eval()


def inputs() -> tuple[ImageFeatures, TextFeatures]:
    return image_features(BATCH, *IMAGE.maps), text_features(BATCH, TEXT)


def linear(values: Row, layer: nn.Linear) -> Row:
    bias = layer.bias.tolist() if layer.bias is not None else [0.0] * layer.out_features
    rows = layer.weight.tolist()
    return [sum(w * v for w, v in zip(row, values, strict=True)) + b for row, b in zip(rows, bias, strict=True)]


def norm(values: Row, layer: nn.Module) -> Row:
    if isinstance(layer, nn.Identity):
        return values
    assert isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    mean, var = layer.running_mean.tolist(), layer.running_var.tolist()
    weight, bias = layer.weight.tolist(), layer.bias.tolist()
    return [(v - mean[i]) / math.sqrt(var[i] + layer.eps) * weight[i] + bias[i] for i, v in enumerate(values)]


def relu(values: Row) -> Row:
    return [max(0.0, v) for v in values]


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def naive_fusion(level: CompositeTransformer, image: Map, sentence: Row) -> Map:
    projected = linear(sentence, level.text) if isinstance(level.text, nn.Linear) else sentence
    text = norm(projected, level.text_norm)
    weight = torch.cat([level.fuse_image.weight, level.fuse_text.weight], dim=1)
    convolution = nn.Linear(weight.shape[1], weight.shape[0])
    convolution.weight.data = weight
    bias = level.fuse_image.bias
    convolution.bias.data = bias.detach() if bias is not None else torch.zeros(len(weight))
    return [relu(norm(linear(row + text, convolution), level.fusion_norm)) for row in image]


def naive_heads(project: nn.Module, fused: Map, heads: int) -> list[Map]:
    size = len(fused[0]) // heads
    if isinstance(project, AllChannels):
        return [[linear(row, project.project)[h * size : (h + 1) * size] for row in fused] for h in range(heads)]
    assert isinstance(project, PerHead)
    layers = [layer for layer in project.project if isinstance(layer, nn.Linear)]
    return [[linear(row[h * size : (h + 1) * size], layers[h]) for row in fused] for h in range(heads)]


def naive_attention(level: CompositeTransformer, fused: Map) -> tuple[Map, list[Map]]:
    transform = level.transform
    assert transform is not None
    heads, positions = transform.heads, len(fused)
    queries, keys, values = (
        naive_heads(project, fused, heads) for project in (transform.queries, transform.keys, transform.values)
    )
    joined: Map = [[] for _ in range(positions)]
    weights: list[Map] = []
    for h in range(heads):
        size = len(keys[h][0])
        weights.append([])
        for p in range(positions):
            scores = [
                sum(queries[h][p][c] * keys[h][other][c] for c in range(size)) / math.sqrt(size)
                for other in range(positions)
            ]
            total = sum(math.exp(score) for score in scores)
            chances = [math.exp(score) / total for score in scores]
            weights[h].append(chances)
            joined[p] += [sum(chances[o] * values[h][o][c] for o in range(positions)) for c in range(size)]
    return [relu(norm(linear(row, transform.out), transform.norm)) for row in joined], weights


def naive_gates(level: CompositeTransformer, fused: Map, height: int, width: int) -> Map:
    preserve = level.preserve
    assert preserve is not None
    plane = [sum(row) / len(row) for row in fused]
    kernel = preserve.spatial.weight[0, 0].tolist()
    bias = preserve.spatial.bias.item() if preserve.spatial.bias is not None else 0.0
    top, left = (height - 1) // 2, (width - 1) // 2
    spatial = []
    for y in range(height):
        for x in range(width):
            total = bias
            for dy in range(height):
                for dx in range(width):
                    row, column = y + dy - top, x + dx - left
                    if 0 <= row < height and 0 <= column < width:
                        total += kernel[dy][dx] * plane[row * width + column]
            if isinstance(preserve.spatial_gate, nn.Sequential):
                total = max(0.0, norm([total], preserve.spatial_gate[0])[0])
            spatial.append(sigmoid(total))
    means = [sum(row[c] for row in fused) / len(fused) for c in range(len(fused[0]))]
    channel = linear(means, preserve.channel)
    if isinstance(preserve.channel_gate, nn.Sequential):
        channel = relu(norm(channel, preserve.channel_gate[0]))
    return [[there * sigmoid(each) for each in channel] for there in spatial]


def naive_level(val: Val, number: int, plane: Tensor, sentence: Row) -> Row:
    level = val.levels[number]
    assert isinstance(level, CompositeTransformer)
    _, height, width = LEVELS[number]
    image = [plane[:, y, x].tolist() for y in range(height) for x in range(width)]
    fused = naive_fusion(level, image, sentence)
    both = level.transform is not None and level.preserve is not None
    w_sa, w_ja = level.weights.tolist() if both else (1.0, 1.0)
    transformed = naive_attention(level, fused)[0] if level.transform is not None else None
    gates = naive_gates(level, fused, height, width) if level.preserve is not None else None
    pooled = [0.0] * len(image[0])
    for p, row in enumerate(image):
        for c, value in enumerate(row):
            if transformed is not None:
                pooled[c] += w_sa * transformed[p][c]
            if gates is not None:
                pooled[c] += w_ja * gates[p][c] * value
    length = math.sqrt(sum(value**2 for value in pooled))
    return [value / length for value in pooled]


CODE = {"batch_norm": True, "rectified_gates": True, "split_heads": True, "attention_dropout": 0.1}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"self_attention": False},
        {"joint_attention": False},
        {"heads": 1},
        {"text_dim": None},
        CODE,
        CODE | {"text_dim": None},
    ],
    ids=str,
)
def test_each_level_is_the_composite_transformer(settings: dict[str, Any]) -> None:
    val, (image, text) = composer(**settings), inputs()
    queries = val.compose(image, text).split(val.parts, dim=1)
    for row in range(BATCH):
        for number in range(len(LEVELS)):
            expected = naive_level(val, number, image.maps[1 + number][row], text.sentence[row].tolist())
            torch.testing.assert_close(queries[number][row], torch.tensor(expected), rtol=1e-4, atol=1e-5)


def test_the_gallery_has_each_level_averaged_and_of_length_one() -> None:
    val, (image, _) = composer(), inputs()
    assert val.parts == (4, 6)
    for level, part in zip(image.maps[1:], val.embed(image).split(val.parts, dim=1), strict=True):
        for row in range(BATCH):
            means = [level[row, c].mean().item() for c in range(level.shape[1])]
            length = math.sqrt(sum(mean**2 for mean in means))
            torch.testing.assert_close(part[row], torch.tensor([mean / length for mean in means]))


def test_the_cosine_of_the_whole_is_the_mean_of_the_levels_cosines() -> None:
    val, (image, text) = composer(), inputs()
    queries, gallery = val.compose(image, text), val.embed(image)
    levels = [
        nn.functional.cosine_similarity(q, g)
        for q, g in zip(queries.split(val.parts, dim=1), gallery.split(val.parts, dim=1), strict=True)
    ]
    torch.testing.assert_close(nn.functional.cosine_similarity(queries, gallery), (levels[0] + levels[1]) / 2)


def test_the_explanation_is_attention_received_and_what_is_kept() -> None:
    val, (image, text) = composer(), inputs()
    maps = val.explain(image, text)
    assert set(maps) == {"self-attention-1", "joint-attention-1", "self-attention-2", "joint-attention-2"}
    assert set(maps) <= set(val.explains)
    for number, (_, height, width) in enumerate(LEVELS):
        level = val.levels[number]
        assert isinstance(level, CompositeTransformer)
        for row in range(BATCH):
            plane = image.maps[1 + number][row]
            positions = [plane[:, y, x].tolist() for y in range(height) for x in range(width)]
            fused = naive_fusion(level, positions, text.sentence[row].tolist())
            weights = naive_attention(level, fused)[1]
            received = [sum(row[p] for head in weights for row in head) for p in range(len(positions))]
            expected = [each / max(received) for each in received]
            seen = maps[f"self-attention-{number + 1}"][row]
            assert seen.shape == (height, width)
            torch.testing.assert_close(seen.flatten(), torch.tensor(expected), rtol=1e-4, atol=1e-5)
            kept = [sum(gates) / len(gates) for gates in naive_gates(level, fused, height, width)]
            seen = maps[f"joint-attention-{number + 1}"][row]
            torch.testing.assert_close(seen.flatten(), torch.tensor(kept), rtol=1e-4, atol=1e-5)


def test_gates_of_the_code_are_at_least_a_quarter() -> None:
    image, text = inputs()
    assert composer(**CODE).explain(image, text)["joint-attention-1"].min() >= 0.25
    assert composer(**CODE, self_attention=False).explain(image, text).keys() == {
        "joint-attention-1",
        "joint-attention-2",
    }


def test_attention_is_dropped_in_training_only() -> None:
    val, (image, text) = composer(attention_dropout=0.5), inputs()
    assert torch.equal(val.compose(image, text), val.compose(image, text))
    val.train()
    assert not torch.equal(val.compose(image, text), val.compose(image, text))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": 4}, "4 heads do not divide the 6 channels of level -1.*divisor"),
        ({"levels": (-4,)}, "Level -4 was asked of an image encoder that has the levels -3, -2, -1"),
    ],
)
def test_what_does_not_fit_the_image_encoder_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        composer(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"levels": (-1, -2)}, "from fine to coarse"),
        ({"levels": (-1, -1)}, "each once"),
        ({"self_attention": False, "joint_attention": False}, "cannot both be off"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ValConfig(**settings)
