"""What every registered composer must keep to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor

from cirray.bundles import Bundle, save_bundle
from cirray.composers import ModelConfig, Paper, Retriever, composers
from cirray.config import from_mapping
from cirray.encoders import Preprocessing
from cirray.encoders.texts.lstm import LstmConfig
from cirray.errors import ConfigError
from cirray.objectives import Batch, View
from cirray.storage import Location
from tests.small_models import SIZE, VOCABULARY, small_batch, small_config, small_retriever, text_features


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    # Threads take longer to meet than these models take to run, many times so where other work shares the cores.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=list(composers))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def near(one: Tensor, other: Tensor) -> bool:
    """Return whether two results are equal but for sums in another order, as batches of another size have them."""
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-4, atol=1e-5)


def ragged_batch() -> Batch:
    """Return four examples whose texts have five words to one, padded with zeros."""
    batch = small_batch()
    lengths = torch.tensor([5, 2, 4, 1])
    return replace(batch, tokens=batch.tokens * (torch.arange(5) < lengths[:, None]), lengths=lengths)


def explanation(model: Retriever, batch: Batch) -> dict[str, Tensor]:
    with torch.no_grad():
        reference = model.encode_images(batch.reference) if model.composer.uses_reference else None
        return model.composer.explain(reference, model.encode_texts(batch.tokens, batch.lengths))


def row_of(batch: Batch, row: int) -> Batch:
    """Return one example, its text without padding."""
    only, length = slice(row, row + 1), int(batch.lengths[row])
    return replace(
        batch,
        reference=batch.reference[only],
        tokens=batch.tokens[only, :length],
        lengths=batch.lengths[only],
        target=batch.target[only],
    )


def trained_a_little(name: str) -> Retriever:
    """Return a model, ready for queries, whose batch norms have met a batch."""
    model = small_retriever(name)
    View(model, small_batch(seed=5)).queries.sum()
    return model.eval()


def test_the_name_in_the_registry_is_that_of_the_configuration(name: str) -> None:
    assert from_mapping(composers[name].Config, {"name": name}).name == name


def test_its_paper_and_its_needs_are_said(name: str) -> None:
    composer = composers[name]
    assert isinstance(composer.paper, Paper)
    assert 2010 <= composer.paper.year <= 2030
    assert all(composer.needs)


def test_it_takes_any_text_encoder_or_refuses_what_it_would_leave_idle(name: str) -> None:
    config = small_config(name)
    lstm = config.model_copy(update={"text_encoder": LstmConfig(word_dim=8, dim=64)})
    if composers[name].reads_words_only:
        with pytest.raises(ConfigError, match=rf"'{name}' reads word vectors.*'lstm' has weights .*to words"):
            Retriever(lstm, VOCABULARY)
        return
    view = View(Retriever(lstm, VOCABULARY), small_batch())
    (view.queries.sum() + view.targets.sum()).backward()
    idle = [key for key, weight in view.model.named_parameters() if key.startswith("text") and weight.grad is None]
    assert idle == []


def test_queries_and_gallery_vectors_share_one_space(name: str) -> None:
    model = small_retriever(name)
    view = View(model, small_batch())
    queries, targets = view.queries, view.targets
    assert queries.shape == targets.shape == (4, model.dim) == (4, sum(model.composer.parts))
    assert all(size > 0 for size in model.composer.parts)
    assert bool(torch.isfinite(queries).all())
    assert bool(torch.isfinite(targets).all())


def test_a_gradient_reaches_every_weight(name: str) -> None:
    model = small_retriever(name)
    view = View(model, small_batch())
    made = [view.queries, view.targets]
    if model.composer.rescores:
        made.append(view.scores(view.targets))
    if model.composer.describes:
        made.append(model.composer.describe(view.target_descriptions))
    sum(((values * torch.randn_like(values)).sum() for values in made), torch.zeros(())).backward()
    # A weight that is only multiplied by zero has a gradient too, of zeros.
    without = [
        key for key, weight in model.named_parameters() if weight.grad is None or not weight.grad.abs().sum() > 0
    ]
    assert without == []


def test_the_order_of_the_batch_does_not_matter(name: str) -> None:
    model, batch = small_retriever(name).eval(), small_batch()
    reference, tokens, lengths = batch.reference, batch.tokens, batch.lengths
    order = torch.tensor([2, 0, 3, 1])
    queries = model.compose(reference, tokens, lengths)
    torch.testing.assert_close(model.compose(reference[order], tokens[order], lengths), queries[order])


def test_an_example_alone_gives_what_it_gives_among_others(name: str) -> None:
    model, batch = trained_a_little(name), ragged_batch()
    queries = model.compose(batch.reference, batch.tokens, batch.lengths)
    targets, maps = model.embed(batch.target), explanation(model, batch)
    scores = View(model, batch).scores(targets)
    for row in range(4):
        alone = row_of(batch, row)
        query = model.compose(alone.reference, alone.tokens, alone.lengths)
        assert near(query[0], queries[row])
        assert near(model.embed(alone.target)[0], targets[row])
        assert near(View(model, alone).scores(targets[row : row + 1])[0, 0], scores[row, row])
        for key, values in explanation(model, alone).items():
            assert near(values[0], maps[key][row])


@pytest.mark.parametrize("size", [3, 5])
def test_batches_of_odd_sizes_train(name: str, size: int) -> None:
    model = small_retriever(name)
    view = View(model, small_batch(size))
    (view.queries.sum() + view.targets.sum()).backward()
    assert all(bool(torch.isfinite(each.grad).all()) for each in model.parameters() if each.grad is not None)


def test_pictures_need_not_be_square(name: str) -> None:
    wide = Preprocessing(height=SIZE, width=2 * SIZE)
    model = Retriever(small_config(name).model_copy(update={"preprocessing": wide}), VOCABULARY)
    batch = small_batch()
    batch = replace(batch, reference=batch.reference.repeat(1, 1, 2, 1), target=batch.target.repeat(1, 1, 2, 1))
    view = View(model, batch)
    assert view.queries.shape == view.targets.shape == (4, model.dim)
    assert all(bool(torch.isfinite(values).all()) for values in explanation(model.eval(), batch).values())


def test_a_text_without_a_known_word_gives_a_query(name: str) -> None:
    model, batch = trained_a_little(name), small_batch()
    ids, lengths = VOCABULARY.encode(["never seen", "", "w03", "w04 w05"])
    queries = model.compose(batch.reference, torch.from_numpy(ids), torch.from_numpy(lengths))
    assert bool(torch.isfinite(queries).all())


def test_half_precision_gives_nearly_the_same(name: str) -> None:
    model, batch = trained_a_little(name), small_batch()
    with torch.no_grad():
        exact = View(model, batch)
        with torch.autocast("cpu", torch.bfloat16):
            rough = View(model, batch)
        for here, there in ((rough.queries, exact.queries), (rough.targets, exact.targets)):
            assert here.dtype == torch.float32
            assert float(F.cosine_similarity(here, there).min()) > 0.95
        assert rough.scores(rough.targets).shape == (4, 4)


def test_it_trains_in_half_precision(name: str) -> None:
    model = small_retriever(name)
    with torch.autocast("cpu", torch.bfloat16):
        view = View(model, small_batch(3))
    (view.queries.sum() + view.targets.sum()).backward()
    assert all(bool(torch.isfinite(each.grad).all()) for each in model.parameters() if each.grad is not None)


def test_what_is_saved_is_what_is_opened(name: str, tmp_path: Path) -> None:
    model, batch = trained_a_little(name), small_batch()
    artifact = save_bundle(
        Location.parse(str(tmp_path)) / "bundle",
        name="small",
        fingerprint="f" * 64,
        model=model,
        vocabulary=VOCABULARY,
        inputs={},
        settings={},
        details={"dataset": "none@0"},
    )
    torch.manual_seed(9)
    opened = Bundle.open(artifact).model
    saved, asked = opened.state_dict(), (batch.reference, batch.tokens, batch.lengths)
    assert all(torch.equal(saved[key], value) for key, value in model.state_dict().items())
    assert near(opened.compose(*asked), model.compose(*asked))
    assert near(opened.embed(batch.target), model.embed(batch.target))


def test_it_explains_what_it_says_in_maps_from_zero_to_one(name: str) -> None:
    model = trained_a_little(name)
    maps = explanation(model, ragged_batch())
    assert tuple(sorted(maps)) == tuple(sorted(model.composer.explains))
    for values in maps.values():
        assert (values.ndim, len(values)) == (3, 4)
        assert 0 <= float(values.min()) <= float(values.max()) <= 1


def test_what_fits_best_is_the_nearest_unless_it_says_otherwise(name: str) -> None:
    model = trained_a_little(name)
    view = View(model, small_batch())
    gallery = model.embed(small_batch(6, seed=3).target)
    scores = view.scores(gallery)
    assert scores.shape == (4, 6)
    nearest = F.normalize(view.queries, dim=1) @ F.normalize(gallery, dim=1).T
    assert near(scores, nearest) is not model.composer.rescores
    assert near(view.scores(3 * gallery), scores)


def test_it_places_descriptions_only_if_it_says_so(name: str) -> None:
    model, batch = trained_a_little(name), small_batch()
    if model.composer.describes:
        vectors = model.composer.describe(View(model, batch).target_descriptions)
        assert vectors.shape == (4, model.dim)
        assert bool(torch.isfinite(vectors).all())
    else:
        with pytest.raises(ConfigError, match="no vectors for descriptions"):
            model.composer.describe(text_features(2, 6))


def test_it_uses_what_it_says_and_ignores_the_rest(name: str) -> None:
    model, batch = small_retriever(name).eval(), small_batch()
    reference, tokens, lengths, other = batch.reference, batch.tokens, batch.lengths, batch.target
    queries = model.compose(reference, tokens, lengths)
    changed = {
        "reference": model.compose(other, tokens, lengths),
        "text": model.compose(reference, tokens.flip(0), lengths),
    }
    assert torch.equal(queries, changed["reference"]) is not model.composer.uses_reference
    assert torch.equal(queries, changed["text"]) is not model.composer.uses_text


def test_equal_seeds_give_equal_models(name: str) -> None:
    first, second = small_retriever(name).state_dict(), small_retriever(name).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_the_configuration_survives_json(name: str) -> None:
    config = small_retriever(name).config
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config
