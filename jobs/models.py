"""Job: list, show, promote or roll back models, with the arguments of `cirray models`.

ray job submit --working-dir . -- python jobs/models.py promote css-2d/tirg-last-conv --root s3://bucket/prefix
"""

import sys

from cirray.cli.app import run

if __name__ == "__main__":
    sys.exit(run(["models", *sys.argv[1:]]))
