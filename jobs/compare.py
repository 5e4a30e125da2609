"""Job: compare two models on the same queries, with the arguments of `cirray compare`.

ray job submit --working-dir . -- python jobs/compare.py FIRST SECOND --root s3://bucket/prefix --out s3://bucket/page.html
"""

import sys

from cirray.cli.app import run

if __name__ == "__main__":
    sys.exit(run(["compare", *sys.argv[1:]]))
