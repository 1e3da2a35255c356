"""``python -m batchgen.simulator``: the simulator as a process of its own."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from batchgen.simulator.endpoints import Endpoints
from batchgen.simulator.serve import serve
from batchgen.simulator.settings import BadSettings, Settings, settings_from_json
from batchgen.simulator.state_folder import FolderTaken


def main(arguments: list[str] | None = None) -> int:
    """Print one JSON line with both URLs when ready, serve until stopped, and return the exit code."""
    options = _parser().parse_args(arguments)
    until: Callable[[], None] | None = None
    if options.until_stdin_closes:
        # Ctrl-C reaches every process of the terminal; the process that started this one decides when it ends.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        until = _until_stdin_closes
    try:
        serve(
            options.settings,
            host=options.host,
            port=options.port,
            pictures_port=options.pictures_port,
            state=options.state,
            on_ready=_announce,
            until=until,
        )
    except (FolderTaken, OSError) as error:
        print(f"the simulator can't start: {error}", file=sys.stderr)  # noqa: T201
        return 3
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m batchgen.simulator", description=__doc__)
    parser.add_argument("--settings", type=_settings, default=Settings(), help="options as JSON")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="of the API; 0: the last one, or any")
    parser.add_argument("--pictures-port", type=int, default=0, help="of the hosted pictures; 0: the last one, or any")
    parser.add_argument("--state", type=Path, help="folder for what outlives the process; default: nothing does")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with the process that holds stdin")
    return parser


def _settings(text: str) -> Settings:
    try:
        return settings_from_json(text)
    except BadSettings as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _announce(endpoints: Endpoints) -> None:
    print(json.dumps(asdict(endpoints)), flush=True)  # noqa: T201


def _until_stdin_closes() -> None:
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    sys.exit(main())
