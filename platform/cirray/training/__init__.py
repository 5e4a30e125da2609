"""Training: the plain PyTorch loop, checkpoints, and Ray Train around them."""

from cirray.training.board import Sign
from cirray.training.distributed import Scaling, TrainingDetails, run_fingerprint, train

__all__ = ["Scaling", "Sign", "TrainingDetails", "run_fingerprint", "train"]
