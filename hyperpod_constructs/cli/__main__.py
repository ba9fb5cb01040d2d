"""`python -m hyperpod_constructs.cli`: the `hyperpod` command."""

from . import main

main(prog_name="hyperpod")
