"""`python -m k8s_charts jobs/*.yaml -o dist/`: the same as `python -m hyperpod_constructs.charts`."""

import sys

from hyperpod_constructs.charts.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
