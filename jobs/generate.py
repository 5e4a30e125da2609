"""Job: generate a synthetic world as a raw source, with the arguments of `cirray generate`.

ray job submit --working-dir . -- python jobs/generate.py css-2d --root s3://bucket/prefix
"""

import sys

from cirray.cli.app import run

if __name__ == "__main__":
    sys.exit(run(["generate", *sys.argv[1:]]))
