"""Job: write a model's rankings of a hidden test split for its server, with the arguments of `cirray submit`.

ray job submit --working-dir . -- python jobs/submit.py --model cirr/tirg --root s3://bucket/prefix --out s3://bucket/out
"""

import sys

from cirray.cli.app import run

if __name__ == "__main__":
    sys.exit(run(["submit", *sys.argv[1:]]))
