"""What `fableverse bench` says on the command line. Imports nothing heavy."""

import argparse
from pathlib import Path
from typing import Any

from api.cli_common import a_path, seed_number


def add_bench(commands: "argparse._SubParsersAction[Any]") -> None:
    """`fableverse bench`."""
    bench = commands.add_parser("bench", help="compare ways of learning concepts on the pocket model")
    actions = bench.add_subparsers(title="actions", metavar="ACTION", required=True)
    concepts = actions.add_parser("concepts", help="TokenVerse beside its baselines, scored by ground truth")
    concepts.add_argument("--quick", action="store_true", help="few pictures, learnt for a short time")
    concepts.add_argument("--methods", default="", metavar="NAME,NAME", help="rows of the table (default: all)")
    concepts.add_argument("--tasks", default="", metavar="NAME,NAME", help="composition, decomposition, full")
    concepts.add_argument("--cases", type=int, metavar="N", help="source pictures of each sort (default: 20; quick: 4)")
    concepts.add_argument("--seed", type=seed_number, default=0, metavar="N", help="other pictures (default: 0)")
    concepts.add_argument(
        "--workers", type=int, metavar="N", help="processes that learn and draw (default: one per core; 1 with a GPU)"
    )
    concepts.add_argument(
        "--cache",
        type=a_path,
        default=Path("out/bench-concepts"),
        metavar="DIR",
        help="keeps what is learnt and drawn, so that a run goes on (default: out/bench-concepts)",
    )
    concepts.add_argument(
        "--results", type=a_path, default=Path("benchmarks"), metavar="DIR", help="tables go here (default: benchmarks)"
    )
    concepts.add_argument(
        "--beside",
        type=a_path,
        action="append",
        default=[],
        metavar="FILE",
        help="JSON of an earlier table, whose rows stand beside those of --methods; repeatable",
    )
    concepts.add_argument("--model", metavar="MODEL", help="pocket or a folder of its kind (default: pocket)")
    concepts.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    concepts.set_defaults(command="bench")
