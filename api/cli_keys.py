"""What `fableverse keys` and `fableverse serve` say on the command line of where things are. Imports nothing heavy."""

import argparse
from pathlib import Path
from typing import Any

from api.cli_common import a_path, days_number


def add_keys(commands: "argparse._SubParsersAction[Any]") -> None:
    """`fableverse keys`."""
    keys = commands.add_parser("keys", help="make, list and revoke the API keys of the service")
    actions = keys.add_subparsers(title="actions", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key, and print it this once")
    create.add_argument("owner", metavar="OWNER", help="whose things the key reaches, such as night-nursery")
    create.add_argument(
        "--scope",
        action="append",
        choices=("read", "write", "metrics"),
        metavar="SCOPE",
        help="read, write or metrics; repeatable (default: read and write)",
    )
    create.add_argument(
        "--days", type=days_number, metavar="N", help="for how long it is good (default: until revoked)"
    )
    listing = actions.add_parser("list", help="list all keys, without their secrets")
    revoke = actions.add_parser("revoke", help="make a key useless at once")
    revoke.add_argument("id", metavar="ID")
    for name, parser in {"create": create, "list": listing, "revoke": revoke}.items():
        add_data(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
        parser.set_defaults(command="keys", action=name)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Where a service keeps what it has."""
    parser.add_argument(
        "--data", type=a_path, default=Path("data"), metavar="DIR", help="where everything is kept (default: data)"
    )
    parser.add_argument("--database", metavar="URL", help="a PostgreSQL database (default: SQLite in the data folder)")


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Where a service draws and learns."""
    parser.add_argument(
        "--cluster",
        metavar="HOST:PORT",
        help="draw and learn on the GPUs of this Ray cluster (default: in a process here)",
    )
