"""`python -m hyperpod_constructs.assembly.graph [cdk.out] [--json]`: prove the order; `--table` prints the rules."""

from __future__ import annotations

import argparse
import sys

from hyperpod_constructs.assembly.graph import order_table, prove


def main(arguments: list[str] | None = None) -> int:
    """Prints the proof or the table of rules. Returns 0 if the order holds, 1 if not, 2 if the input cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m hyperpod_constructs.assembly.graph", description="Prove the deployment order."
    )
    parser.add_argument("templates", nargs="*", default=["cdk.out"], help="a cdk.out folder or template files")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--table", action="store_true", help="print the rules as a Markdown table and exit")
    options = parser.parse_args(arguments)
    if options.table:
        print(order_table(), end="")
        return 0
    try:
        proof = prove(options.templates)
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(proof.as_json() if options.json else proof.render())
    return 0 if proof.holds else 1


if __name__ == "__main__":
    sys.exit(main())
