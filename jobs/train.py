"""Job: train a recipe's model, with the arguments of `cirray train`.

ray job submit --working-dir . -- python jobs/train.py \
    --recipe css-2d/tirg-last-conv --root s3://bucket/prefix --workers 2
"""

import sys

from cirray.cli.app import run

if __name__ == "__main__":
    sys.exit(run(["train", *sys.argv[1:]]))
