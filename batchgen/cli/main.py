"""The program's entry: the one place that turns errors into exit codes, and tells ours from a crash and from Ctrl-C."""

from __future__ import annotations

import traceback

from batchgen.cli.app import app
from batchgen.cli.console import say
from batchgen.cli.streams import forgive
from batchgen.errors import BatchgenError, ExitCode


def main() -> None:
    """Runs the command that the words of the command line name, and exits with its code."""
    forgive()
    raise SystemExit(_run())


def _run() -> int:
    try:
        app()
    except SystemExit as ending:
        return _code(ending)
    except BatchgenError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception:  # noqa: BLE001 - whatever arrives here is a bug of ours and is shown as one
        traceback.print_exc()
        say("this is a bug in batchgen; what was bought is recorded, and running again resumes")
        return ExitCode.BUG
    return ExitCode.STORED


def _code(ending: SystemExit) -> int:
    return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
