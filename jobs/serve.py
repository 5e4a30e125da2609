"""Job: serve an index over HTTP, with the arguments of `cirray serve`.

ray job submit --working-dir . -- python jobs/serve.py --index css-2d --root s3://bucket/prefix --detach
"""

import sys

from cirray.cli.app import run

if __name__ == "__main__":
    sys.exit(run(["serve", *sys.argv[1:]]))
