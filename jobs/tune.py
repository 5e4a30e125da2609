"""Job: search a recipe's weights, margins and rates, with the arguments of `cirray tune`.

ray job submit --working-dir . -- python jobs/tune.py css-2d/tirg-last-conv \
    --root s3://bucket/prefix --trials 32 --workers-per-trial 2
"""

import sys

from cirray.cli.app import run

if __name__ == "__main__":
    sys.exit(run(["tune", *sys.argv[1:]]))
