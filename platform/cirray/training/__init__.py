"""Training: the plain PyTorch loop, checkpoints, and Ray Train around them."""
