"""Training: the plain PyTorch loop, checkpoints, and Ray Train around them."""

from cirray.training.board import Heartbeat
from cirray.training.distributed import Scaling, TrainingDetails, run_fingerprint, train

__all__ = ["Heartbeat", "Scaling", "TrainingDetails", "run_fingerprint", "train"]
