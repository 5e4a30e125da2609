"""Fixtures of tests that promote: a root with versions of one model, each better than the one before it.

A test module asks for them by `pytest_plugins`.
"""

from __future__ import annotations

import pytest

from cirray.bundles import Gate
from cirray.datasets.prepared import PreparedDataset
from cirray.storage import Root
from tests.measured_models import RULES, put_dataset_of, put_measured

VALUES = (10.0, 20.0, 30.0)
"""Percent that the versions are said to reach."""


@pytest.fixture
def root(place_uri: str) -> Root:
    """Return a root with nothing in it, in a folder and then in a bucket."""
    return Root.open(place_uri)


@pytest.fixture
def dataset(root: Root) -> PreparedDataset:
    """Return what the versions were measured on."""
    return put_dataset_of(root)


@pytest.fixture
def versions(root: Root, dataset: PreparedDataset) -> list[str]:
    """Return versions that were measured, each better than the one before it."""
    return [put_measured(root, dataset, value, seed).version for seed, value in enumerate(VALUES)]


@pytest.fixture
def gate(dataset: PreparedDataset) -> Gate:
    """Return a gate that asks for more than the live version has, by however little."""
    return Gate(dataset, RULES)
