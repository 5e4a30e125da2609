"""Job: embed a gallery and build a sharded index, with the arguments of `cirray index build`.

ray job submit --working-dir . -- python jobs/index_build.py --model css-2d/tirg-last-conv --index css-2d \
    --root s3://bucket/prefix
"""

import sys

from cirray.cli.app import run

if __name__ == "__main__":
    sys.exit(run(["index", "build", *sys.argv[1:]]))
