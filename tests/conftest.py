"""What all tests share: a pinned environment, and one Ray for the session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Before anything imports Ray, and for every process that the tests start.
os.environ.update(
    {
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
        "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
        "RAY_DEDUP_LOGS": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "AWS_EC2_METADATA_DISABLED": "true",
        "OMP_NUM_THREADS": "1",
    }
)
os.environ.pop("RAY_ADDRESS", None)

import pytest  # noqa: E402 (the environment comes first)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the pixel caches of the tests away from those of the person who runs them."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["CIRRAY_CACHE_DIR"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """Be connected to one local Ray with four logical CPUs, shared by all tests of the session."""
    import ray

    ray.init(
        address="local",
        num_cpus=4,
        object_store_memory=200 << 20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()
