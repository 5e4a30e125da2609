"""How a run goes, told while it goes on: to trackers such as TensorBoard, and on a page of its own.

Importing registers the trackers. None of it decides a weight, and nothing that goes wrong here ends a training.
"""

from cirray.tracking.following import Following
from cirray.tracking.mlflow import Mlflow, MlflowConfig
from cirray.tracking.page import PAGE, SUMMARY, read_summary, write_page
from cirray.tracking.summary import Event, Point, RunSummary, State
from cirray.tracking.tensorboard import Tensorboard, TensorboardConfig
from cirray.tracking.tracker import TrackedRun, Tracker, TrackerConfig, Tracking, trackers
from cirray.tracking.wandb import Wandb, WandbConfig

__all__ = [
    "PAGE",
    "SUMMARY",
    "Event",
    "Following",
    "Mlflow",
    "MlflowConfig",
    "Point",
    "RunSummary",
    "State",
    "Tensorboard",
    "TensorboardConfig",
    "TrackedRun",
    "Tracker",
    "TrackerConfig",
    "Tracking",
    "Wandb",
    "WandbConfig",
    "read_summary",
    "trackers",
    "write_page",
]
