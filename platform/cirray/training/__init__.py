"""Training: the plain PyTorch loop, checkpoints, and Ray Train around them."""

from cirray.training.board import Heartbeat
from cirray.training.distributed import TrainingDetails, run_fingerprint, train
from cirray.training.scaling import Scaling

__all__ = ["Heartbeat", "Scaling", "TrainingDetails", "run_fingerprint", "train"]
