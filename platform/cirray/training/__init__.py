"""Training: the plain PyTorch loop, checkpoints, and Ray Train around them."""

from cirray.training.board import Heartbeat
from cirray.training.distributed import TrainingDetails, train
from cirray.training.followed import folder_of
from cirray.training.identity import run_fingerprint
from cirray.training.scaling import Scaling

__all__ = ["Heartbeat", "Scaling", "TrainingDetails", "folder_of", "run_fingerprint", "train"]
