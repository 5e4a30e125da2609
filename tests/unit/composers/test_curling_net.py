"""CurlingNet's delivery and sweeping, against loops over channels and ranks."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from cirray.composers import curling_net
from cirray.composers.compact_bilinear import CompactBilinear
from cirray.composers.curling_net import CurlingNet, CurlingNetConfig, GatedEmbedding
from cirray.encoders import ImageFeatures, ImageShape, MapShape, TextFeatures, TextShape
from cirray.objectives import View
from cirray.objectives.additive_margin import AdditiveMargin, AdditiveMarginConfig
from tests.small_models import image_features, small_batch, small_retriever, text_features

QUERIES, ITEMS, POOLED, SENTENCE, DIM, RANK = 3, 4, 6, 5, 7, 2
IMAGE = ImageShape((MapShape(POOLED, 2, 2),), POOLED)
Vector = list[float]


def composer(attention_divisor: float = 500.0) -> CurlingNet:
    torch.manual_seed(0)
    config = CurlingNetConfig(dim=DIM, fusion_rank=RANK, attention_divisor=attention_divisor)
    made = CurlingNet(config, IMAGE, TextShape(3, SENTENCE, SENTENCE))
    for module in made.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return made.eval()


def texts(seed: int = 2) -> TextFeatures:
    return replace(text_features(QUERIES, SENTENCE, seed=seed), second=text_features(QUERIES, SENTENCE, seed=9))


def pictures(number: int, seed: int = 1) -> ImageFeatures:
    return image_features(number, *IMAGE.maps, seed=seed)


def linear(layer: nn.Module, vector: Vector) -> Vector:
    assert isinstance(layer, nn.Linear)
    bias = layer.bias.tolist() if layer.bias is not None else [0.0] * layer.out_features
    rows = layer.weight.tolist()
    return [sum(w * v for w, v in zip(row, vector, strict=True)) + b for row, b in zip(rows, bias, strict=True)]


def norm(layer: nn.Module, vector: Vector) -> Vector:
    assert isinstance(layer, nn.BatchNorm1d)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    stats = zip(layer.running_mean.tolist(), layer.running_var.tolist(), layer.weight.tolist(), layer.bias.tolist(),
                strict=True)  # fmt: skip
    return [
        (v - mean) / math.sqrt(var + layer.eps) * weight + bias
        for v, (mean, var, weight, bias) in zip(vector, stats, strict=True)
    ]


def unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(v * v for v in vector))
    return [v / length for v in vector]


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def relu(vector: Vector) -> Vector:
    return [max(0.0, v) for v in vector]


def naive_embedding(module: GatedEmbedding, sentence: Vector) -> Vector:
    projected = linear(module.project, sentence)
    gate = norm(module.gate[1], linear(module.gate[0], projected))
    return unit([v * sigmoid(g) for v, g in zip(projected, gate, strict=True)])


def naive_mutan(net: CurlingNet, first: Vector, second: Vector) -> Vector:
    fusion = net.fusion
    left = linear(fusion.expand_first, linear(fusion.reduce_first[0], first))
    right = linear(fusion.expand_second, linear(fusion.reduce_second[0], second))
    summed = [sum(left[r * DIM + d] * right[r * DIM + d] for r in range(RANK)) for d in range(DIM)]
    return linear(fusion.out, unit([math.copysign(math.sqrt(abs(v)), v) for v in summed]))


def naive_query(net: CurlingNet, pooled: Vector, sentence: Vector) -> Vector:
    image, words = unit(linear(net.picture[1], pooled)), naive_embedding(net.source_text, sentence)
    joint = image + words + naive_mutan(net, image, words)
    gate = linear(net.delivery.gate[2], relu(norm(net.delivery.gate[0], joint)))
    hidden = relu(linear(net.delivery.residual[2], relu(norm(net.delivery.residual[0], joint))))
    residual = linear(net.delivery.residual[4], hidden)
    kept, added = net.delivery.weights.tolist()
    return [
        kept * sigmoid(g) * x + added * r for g, x, r in zip(gate, image, residual, strict=True)
    ]  # fmt: skip


def naive_pooling(bilinear: CompactBilinear, first: Vector, second: Vector) -> Vector:
    sketches = []
    for number, vector in ((1, first), (2, second)):
        places = bilinear.get_buffer(f"places{number}").tolist()
        signs = bilinear.get_buffer(f"signs{number}").tolist()
        sketch = [0.0] * DIM
        for place, sign, value in zip(places, signs, vector, strict=True):
            sketch[place] += sign * value
        sketches.append(sketch)
    return [sum(sketches[0][k] * sketches[1][(d - k) % DIM] for k in range(DIM)) for d in range(DIM)]


def naive_score(net: CurlingNet, query: Vector, sentence: Vector, item: Vector) -> float:
    item, words = unit(item), naive_embedding(net.target_text, sentence)
    pooled = naive_pooling(net.bilinear, item, words)
    powers = [math.exp(DIM * value / net.attention_divisor) for value in pooled]
    swept = [y + y * power / sum(powers) for y, power in zip(item, powers, strict=True)]
    cosine = sum(a * b for a, b in zip(unit(query), unit(swept), strict=True))
    return net.query_scale.item() * net.gallery_scale.item() * cosine


def test_the_query_is_the_delivery() -> None:
    net, image, text = composer(), pictures(QUERIES), texts()
    queries = net.compose(image, text)
    for row in range(QUERIES):
        expected = naive_query(net, image.pooled[row].tolist(), text.sentence[row].tolist())
        torch.testing.assert_close(queries[row], torch.tensor(expected), rtol=1e-4, atol=1e-4)


def test_a_gallery_vector_is_the_projected_picture_before_any_sweeping() -> None:
    net, image = composer(), pictures(ITEMS)
    for row, vector in enumerate(net.embed(image)):
        expected = unit(linear(net.picture[1], image.pooled[row].tolist()))
        torch.testing.assert_close(vector, torch.tensor(expected))


@pytest.mark.parametrize("at_once", [2**23, 1])
@pytest.mark.parametrize("divisor", [500.0, 0.5])
def test_each_pair_is_scored_with_the_gallery_vector_as_the_text_sweeps_it(
    at_once: int, divisor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curling_net, "PAIR_VALUES", at_once)
    net, text = composer(attention_divisor=divisor), texts()
    queries, gallery = net.compose(pictures(QUERIES), text), net.embed(pictures(ITEMS, seed=7))
    scores = net.rescore(3 * queries, text, gallery / 5)
    assert text.second is not None
    for i in range(QUERIES):
        for j in range(ITEMS):
            sentence = text.second.sentence[i].tolist()
            expected = naive_score(net, queries[i].tolist(), sentence, gallery[j].tolist())
            assert scores[i, j].item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_sweeping_changes_the_ranking_where_it_is_sharp() -> None:
    net = composer(attention_divisor=0.01)
    text, other = texts(), replace(texts(), second=text_features(QUERIES, SENTENCE, seed=30))
    queries, gallery = net.compose(pictures(QUERIES), text), net.embed(pictures(40, seed=7))
    first, second = (net.rescore(queries, each, gallery).argsort(dim=1) for each in (text, other))
    assert not torch.equal(first, second)


def test_sweeping_runs_in_full_precision_under_autocast() -> None:
    net, text = composer(), texts()
    queries, gallery = net.compose(pictures(QUERIES), text), net.embed(pictures(ITEMS, seed=7))
    with torch.autocast("cpu", torch.bfloat16):
        scores = net.rescore(queries.bfloat16(), text, gallery.bfloat16())
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, net.rescore(queries, text, gallery), rtol=0.05, atol=0.3)


def test_dropout_is_off_in_evaluation() -> None:
    net, text = composer(), texts()
    queries = [net.compose(pictures(QUERIES), text) for _ in range(2)]
    assert torch.equal(*queries)
    net.train()
    assert not torch.equal(net.compose(pictures(QUERIES), text), net.compose(pictures(QUERIES), text))


def gradient(net: CurlingNet, text: TextFeatures) -> dict[str, Tensor | None]:
    queries, gallery = net.compose(pictures(QUERIES), text), net.embed(pictures(ITEMS, seed=7))
    scores = net.rescore(queries, text, gallery)
    (scores * torch.randn_like(scores)).sum().backward()
    return {name: weight.grad for name, weight in net.named_parameters()}


def test_the_scores_alone_reach_every_weight() -> None:
    gradients = gradient(composer().train(), texts())
    assert [name for name, each in gradients.items() if each is None or not bool(each.any())] == []


def test_places_and_signs_are_kept_with_the_weights() -> None:
    net = composer()
    torch.manual_seed(99)
    other = CurlingNet(CurlingNetConfig(dim=DIM, fusion_rank=RANK), IMAGE, TextShape(3, SENTENCE, SENTENCE)).eval()
    other.load_state_dict(net.state_dict())
    text = texts()
    queries, gallery = net.compose(pictures(QUERIES), text), net.embed(pictures(ITEMS, seed=7))
    assert torch.equal(net.rescore(queries, text, gallery), other.rescore(queries, text, gallery))


def test_its_loss_trains_both_encoders_through_the_scores() -> None:
    model = small_retriever("curling-net")
    loss = AdditiveMargin(AdditiveMarginConfig(), model)
    view = View(model, small_batch(5))
    value = loss(view)
    assert view.scores(view.targets).shape == (5, 5)
    value.total.backward()
    without = [
        name for name, weight in model.named_parameters() if weight.grad is None or not bool(weight.grad.any())
    ]
    assert without == []
