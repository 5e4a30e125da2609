"""Job: measure a model's recall, with the arguments of `cirray evaluate`.

ray job submit --working-dir . -- python jobs/evaluate.py --model css-2d/tirg-last-conv --root s3://bucket/prefix
"""

import sys

from cirray.cli.app import run

if __name__ == "__main__":
    sys.exit(run(["evaluate", *sys.argv[1:]]))
