"""SAC's two modules, against loops over positions, channels and levels."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cirray.composers.gating import ResidualGating
from cirray.composers.sac import Sac, SacConfig
from cirray.composers.spatial_attention import SpatialFeatureAttention, generalised_mean
from cirray.composers.two_sided_norm import Side, TwoSidedNorm
from cirray.encoders import ImageFeatures, ImageShape, MapShape, TextFeatures, TextShape
from cirray.errors import ConfigError
from tests.small_models import image_features, text_features

BATCH, TEXT, DIM = 3, 3, 4
LEVELS = (MapShape(9, 3, 2), MapShape(17, 2, 2))
IMAGE = ImageShape(LEVELS, 17)

Row = list[float]
Map = list[Row]


def composer(**settings: Any) -> Sac:
    torch.manual_seed(0)
    config = SacConfig(dim=DIM, attention_weight=0.6, saliency_weight=1.7, scale=2.5, power=2.2)
    made = Sac(config.model_copy(update=settings), IMAGE, TextShape(3, TEXT, TEXT))
    for module in made.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        if isinstance(module, TwoSidedNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return made.eval()


def inputs() -> tuple[ImageFeatures, TextFeatures]:
    return image_features(BATCH, *IMAGE.maps), text_features(BATCH, TEXT)


def linear(values: Row, layer: nn.Module) -> Row:
    assert isinstance(layer, nn.Linear)
    bias = layer.bias.tolist() if layer.bias is not None else [0.0] * layer.out_features
    rows = layer.weight.tolist()
    return [sum(w * v for w, v in zip(row, values, strict=True)) + b for row, b in zip(rows, bias, strict=True)]


def norm(values: Row, layer: nn.Module) -> Row:
    assert isinstance(layer, nn.BatchNorm1d)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    mean, var = layer.running_mean.tolist(), layer.running_var.tolist()
    return [(v - m) / math.sqrt(s + layer.eps) for v, m, s in zip(values, mean, var, strict=True)]


def naive_norm(values: Row, layer: nn.Module, side: Side) -> Row:
    assert isinstance(layer, TwoSidedNorm)
    normal = norm(values, layer.queries if side == "queries" else layer.gallery)
    return [v * w + b for v, w, b in zip(normal, layer.weight.tolist(), layer.bias.tolist(), strict=True)]


def softmax(values: Row) -> Row:
    total = sum(math.exp(value - max(values)) for value in values)
    return [math.exp(value - max(values)) / total for value in values]


def dot(left: Row, right: Row) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def naive_attention(attend: SpatialFeatureAttention, image: Map, sentence: Row) -> tuple[Map, Row]:
    """Return V̄ and M."""
    queries, keys, values = (
        [linear(row, layer) for row in image] for layer in (attend.queries, attend.keys, attend.values)
    )
    beta, attended = attend.beta.item(), []
    for p, row in enumerate(image):
        weights = softmax([dot(queries[p], key) for key in keys])
        context = [sum(weights[o] * values[o][c] for o in range(len(image))) for c in range(len(row))]
        attended.append([beta * e + v for e, v in zip(context, row, strict=True)])
    kernel = linear(sentence, attend.text)
    return attended, softmax([dot(row, kernel) / attend.temperature for row in attended])


def naive_mean(image: Map, power: float) -> Row:
    return [
        (sum(max(1e-6, row[c]) ** power for row in image) / len(image)) ** (1 / power) for c in range(len(image[0]))
    ]


def naive_lstm(sequence: list[Row], lstm: nn.LSTM) -> Row:
    given = lstm.state_dict()
    w_in, w_state = given["weight_ih_l0"].tolist(), given["weight_hh_l0"].tolist()
    bias = (given["bias_ih_l0"] + given["bias_hh_l0"]).tolist()
    state, cell = [0.0] * DIM, [0.0] * DIM
    for step in sequence:
        gates = [dot(w_in[i], step) + dot(w_state[i], state) + bias[i] for i in range(4 * DIM)]
        for d in range(DIM):
            enter, forget, out = (1 / (1 + math.exp(-gates[k * DIM + d])) for k in (0, 1, 3))
            cell[d] = forget * cell[d] + enter * math.tanh(gates[2 * DIM + d])
            state[d] = out * math.tanh(cell[d])
    return state


def naive_aggregate(sac: Sac, pooled: list[Row], side: Side) -> Row:
    sequence = []
    for each, level, two_sided in zip(pooled, sac.levels, sac.norms, strict=True):
        sequence.append(naive_norm(linear(each, level), two_sided, side))
    return linear(naive_norm(naive_lstm(sequence, sac.over_levels), sac.norm, side), sac.aggregate)


def naive_join(sac: Sac, aggregated: Row, text: Row) -> Row:
    if sac.composition == "offsetting":
        return [a + t for a, t in zip(aggregated, text, strict=True)]
    if sac.composition == "hadamard":
        return [a * t for a, t in zip(aggregated, text, strict=True)]
    if sac.composition == "concat":
        return linear(aggregated + text, sac.join)
    gating = sac.join
    assert isinstance(gating, ResidualGating)
    both = aggregated + text
    gate, residual = ([max(0.0, v) for v in norm(both, branch[0])] for branch in (gating.gate, gating.residual))
    opened = [1 / (1 + math.exp(-g)) for g in linear(gate, gating.gate[2])]
    added = linear([max(0.0, v) for v in linear(residual, gating.residual[2])], gating.residual[4])
    w_g, w_r = gating.weights.tolist()
    return [w_g * g * a + w_r * r for g, a, r in zip(opened, aggregated, added, strict=True)]


def positions(plane: Tensor) -> Map:
    return [plane[:, y, x].tolist() for y in range(plane.shape[1]) for x in range(plane.shape[2])]


def scaled(values: Row, length: float) -> Tensor:
    norm = math.sqrt(dot(values, values))
    return torch.tensor([length * value / norm for value in values])


@pytest.mark.parametrize("composition", ["offsetting", "concat", "residual-gating", "hadamard"])
@pytest.mark.parametrize("levels", [(-2, -1), (-2,), (-1,)], ids=str)
def test_the_query_is_attention_then_offset(composition: str, levels: tuple[int, ...]) -> None:
    temperatures = tuple({-2: 1.0, -1: 8.0}[level] for level in levels)
    sac = composer(composition=composition, levels=levels, temperatures=temperatures)
    image, text = inputs()
    queries, powers, gamma = sac.compose(image, text), sac.powers.tolist(), 1.7
    for row in range(BATCH):
        sentence, pooled = text.sentence[row].tolist(), []
        for number, level in enumerate(levels):
            attend = sac.attention[number]
            assert isinstance(attend, SpatialFeatureAttention)
            attended, chances = naive_attention(attend, positions(image.maps[level][row]), sentence)
            salient = [
                sum(m * each[c] for m, each in zip(chances, attended, strict=True)) for c in range(len(attended[0]))
            ]
            pooled.append([o + gamma * s for o, s in zip(naive_mean(attended, powers[number]), salient, strict=True)])
        joined = naive_join(sac, naive_aggregate(sac, pooled, "queries"), linear(sentence, sac.project_text))
        torch.testing.assert_close(queries[row], scaled(joined, 2.5), rtol=1e-3, atol=1e-4)


def test_a_gallery_picture_is_pooled_without_attention_and_goes_through_the_same_layers() -> None:
    sac, (image, _) = composer(), inputs()
    gallery, powers = sac.embed(image), sac.powers.tolist()
    for row in range(BATCH):
        pooled = [naive_mean(positions(image.maps[level][row]), powers[level]) for level in (0, 1)]
        torch.testing.assert_close(
            gallery[row], scaled(naive_aggregate(sac, pooled, "gallery"), 2.5), rtol=1e-3, atol=1e-4
        )


def test_the_generalised_mean_is_the_mean_at_one_and_nears_the_largest() -> None:
    image = torch.rand(2, 6, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(generalised_mean(image, torch.tensor(1.0)), image.mean(dim=1))
    torch.testing.assert_close(generalised_mean(image, torch.tensor(200.0)), image.amax(dim=1), rtol=0.02, atol=0)


def test_the_generalised_mean_of_an_empty_channel_has_a_gradient() -> None:
    image = torch.zeros(1, 4, 2, requires_grad=True)
    power = torch.tensor(3.0, requires_grad=True)
    generalised_mean(image, power).sum().backward()
    assert image.grad is not None
    assert power.grad is not None
    assert bool(torch.isfinite(image.grad).all())
    assert bool(torch.isfinite(power.grad))


def test_the_explanation_is_the_saliency_of_each_level() -> None:
    sac, (image, text) = composer(), inputs()
    maps = sac.explain(image, text)
    assert set(maps) == {"saliency-1", "saliency-2"} <= set(sac.explains)
    for number, level in enumerate(LEVELS):
        attend = sac.attention[number]
        assert isinstance(attend, SpatialFeatureAttention)
        for row in range(BATCH):
            _, chances = naive_attention(attend, positions(image.maps[number][row]), text.sentence[row].tolist())
            seen = maps[f"saliency-{number + 1}"][row]
            assert seen.shape == level[1:]
            expected = torch.tensor([chance / max(chances) for chance in chances])
            torch.testing.assert_close(seen.flatten(), expected, rtol=1e-3, atol=1e-5)


def test_a_higher_temperature_spreads_the_saliency() -> None:
    image, text = inputs()
    narrow = composer(temperatures=(1.0, 8.0)).explain(image, text)["saliency-1"]
    wide = composer(temperatures=(8.0, 8.0)).explain(image, text)["saliency-1"]
    assert wide.mean() > narrow.mean()


def test_each_side_is_normalised_in_evaluation_as_it_was_in_training() -> None:
    norm = TwoSidedNorm(2)
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(500, 2, generator=generator) * 3 + 7
    gallery = torch.randn(500, 2, generator=generator) - 2
    for _ in range(80):
        trained = norm(queries, "queries"), norm(gallery, "gallery")
    norm.eval()
    evaluated = norm(queries, "queries"), norm(gallery, "gallery")
    torch.testing.assert_close(evaluated, trained, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"levels": (-1,)}, "one entry for each of levels"),
        ({"levels": (-1, -2)}, "from fine to coarse"),
        ({"temperatures": (1.0, 0.0)}, "greater than 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SacConfig(**settings)


def test_a_level_that_the_encoder_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="Level -3 was asked"):
        composer(levels=(-3,), temperatures=(1.0,))
