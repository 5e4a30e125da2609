"""What all tests share: a pinned environment, and one Ray for the session."""

from __future__ import annotations

import logging
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
for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
    os.environ.pop(name, None)

import pytest  # noqa: E402 (the environment comes first)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the pixel caches of the tests away from those of the person who runs them."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["CIRRAY_CACHE_DIR"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real annotation files and pictures, which lies beside the checkout where there is one."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data is not at {folder}")
    return folder


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URI of a bucket in a real S3, which the environment of this and of later processes points at."""
    from infra.local.object_store import object_store

    with object_store(tmp_path_factory.mktemp("s3"), bucket="cirray-tests") as store:
        os.environ.update(store.environment)
        yield "s3://cirray-tests"


@pytest.fixture(params=["folder", "s3"])
def place_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URI of an empty place of the test's own: a folder, then a prefix in a real bucket."""
    if request.param == "folder":
        return str(tmp_path)
    return f"{request.getfixturevalue('bucket')}/{tmp_path.name}"


@pytest.fixture(scope="session")
def ray_session(bucket: str) -> Iterator[None]:
    """Be connected to one local Ray with four logical CPUs, shared by all tests of the session.

    It starts after the bucket, so that its workers can reach it too.
    """
    import ray

    ray.init(
        address="local",
        num_cpus=4,
        object_store_memory=200 << 20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def css_root(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of a root with a small prepared CSS-2D world. Tests must leave it as it is."""
    from cirray.cli.display import Display
    from cirray.cli.operations import generate_world, prepare_dataset
    from cirray.datasets.css import CssConfig
    from cirray.storage import Root

    root = Root.open(str(tmp_path_factory.mktemp("root")))
    generate_world(root, "css-2d", CssConfig(num_scenes=24), Display.stderr())
    prepare_dataset(root, "css-2d", "css-2d", None, (), Display.stderr())
    return root.place.path
