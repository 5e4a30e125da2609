"""Job: prepare a raw source, with the arguments of `cirray prepare`.

ray job submit --working-dir . -- python jobs/prepare.py css-2d --root s3://bucket/prefix
"""

import sys

from cirray.cli.app import run

if __name__ == "__main__":
    sys.exit(run(["prepare", *sys.argv[1:]]))
