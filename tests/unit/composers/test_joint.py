"""In Joint: what the worn composer says and does must come through, in the joint space."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cirray.composers import ModelConfig, Retriever, composers
from cirray.composers.joint import Joint, JointConfig, wearable
from cirray.config import from_mapping, override
from cirray.encoders import ImageFeatures, TextFeatures
from cirray.errors import ConfigError, UnknownNameError
from cirray.objectives import View
from tests.loops import Vector, assert_close, through
from tests.small_models import small_batch, small_retriever


def in_joint(inner: str, **settings: Any) -> Retriever:
    return small_retriever("joint", inner={"name": inner, "dim": 5, **settings})


def joint_of(model: Retriever) -> Joint:
    assert isinstance(model.composer, Joint)
    return model.composer


@pytest.fixture
def view() -> View:
    return View(in_joint("tirg-last-conv").eval(), small_batch())


def test_queries_pictures_and_descriptions_are_projected_into_one_space(view: View) -> None:
    joint, text = joint_of(view.model), view.text
    assert isinstance(text, TextFeatures)
    expected = {
        "queries": [through(joint.project, row) for row in joint.inner.compose(view.reference, text).tolist()],
        "targets": [through(joint.project, row) for row in joint.inner.embed(view.target).tolist()],
        "described_targets": _described(joint, view.target_descriptions),
        "described_references": _described(joint, view.reference_descriptions),
    }
    for name, rows in expected.items():
        for made, row in zip(getattr(view, name), rows, strict=True):
            assert_close(made, row)


def _described(joint: Joint, texts: TextFeatures) -> list[Vector]:
    return [through(joint.project_descriptions, row) for row in texts.sentence.tolist()]


def test_descriptions_have_a_text_encoder_of_their_own(view: View) -> None:
    model, batch = view.model, view.batch
    assert batch.target_descriptions is not None
    tokens, lengths = batch.target_descriptions.tokens, batch.target_descriptions.lengths
    as_text = model.encode_texts(tokens, lengths)
    assert as_text is not None
    assert not torch.allclose(as_text.sentence, view.target_descriptions.sentence)


@pytest.mark.parametrize("inner", [name for name in wearable() if composers[name].uses_reference])
def test_it_says_what_the_worn_composer_says(inner: str) -> None:
    own = small_retriever(inner).composer
    worn = joint_of(small_retriever("joint", inner=own_settings(inner)))
    assert (worn.uses_reference, worn.uses_text, worn.explains) == (own.uses_reference, own.uses_text, own.explains)
    assert set(worn.needs) == {*own.needs, *Joint.needs}
    assert worn.parts == (8,)


def own_settings(inner: str) -> dict[str, Any]:
    return small_retriever(inner).config.composer.model_dump(mode="json")


def test_a_worn_composer_without_text_gets_no_text_encoder_and_one_without_reference_no_reference() -> None:
    model = in_joint("image-only")
    assert model.text_encoder is None
    assert model.second_encoder is not None
    assert View(model, small_batch()).queries.shape == (4, 8)
    assert not in_joint("text-only").composer.uses_reference


def test_the_maps_are_those_of_the_worn_composer(view: View) -> None:
    joint = joint_of(view.model)
    maps = joint.explain(view.reference, view.text)
    assert set(maps) == set(joint.explains) == {"gate", "residual"}
    own = joint.inner.explain(view.reference, view.text)
    assert all(torch.equal(maps[name], own[name]) for name in own)


def test_a_gradient_reaches_every_weight_through_queries_targets_and_descriptions() -> None:
    view = View(in_joint("tirg-last-conv"), small_batch())
    for vectors in (view.queries, view.targets, view.described_targets):
        (vectors * torch.randn_like(vectors)).sum().backward(retain_graph=True)
    assert [key for key, weight in view.model.named_parameters() if weight.grad is None] == []


def test_its_settings_and_those_inside_can_be_set_and_written() -> None:
    config = in_joint("tirg-last-conv", gate_weight=2.0).config
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config
    changed = override(config, ["composer.inner.residual_weight=3", "composer.dim=9"])
    assert changed.composer.model_dump()["inner"]["residual_weight"] == 3
    assert changed.composer.model_dump()["inner"]["gate_weight"] == 2


def test_it_does_not_wear_itself_nor_what_does_not_exist() -> None:
    with pytest.raises(ConfigError, match="'joint' cannot be worn in Joint") as refused:
        small_retriever(JointConfig(dim=8, inner=JointConfig(dim=8)))
    assert "tirg-last-conv" in str(refused.value)
    with pytest.raises((ConfigError, UnknownNameError), match="There is no composer 'tirk'"):
        from_mapping(JointConfig, {"name": "joint", "inner": {"name": "tirk"}})


def test_what_is_worn_may_be_called_without_features_that_it_does_not_use() -> None:
    model = in_joint("text-only").eval()
    features = View(model, small_batch())
    nothing: ImageFeatures | None = None
    torch.testing.assert_close(model.composer.compose(nothing, features.text), features.queries)
