"""The program's entry: the one place that turns errors into exit codes, and tells ours from a crash and from Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from typer.main import get_command

from batchgen.cli.app import app
from batchgen.cli.bash_words import with_whole_words
from batchgen.cli.console import say
from batchgen.cli.streams import forgiving
from batchgen.cli.word_hints import hint_for
from batchgen.errors import BatchgenError, ExitCode, ManifestError, UsageError, shortage_of


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names, by default the words of the command line; return its exit code."""
    with forgiving():
        return with_whole_words(lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    try:
        _refuse_other_words(sys.argv[1:] if argv is None else argv)
        # Not `app()`, which would leave Typer's hook for exceptions in the program that calls.
        get_command(app)(None if argv is None else list(argv), prog_name="batchgen")
    except SystemExit as ending:
        return _code(ending)
    except BatchgenError as error:
        for note in error.notes if isinstance(error, ManifestError) else ():
            say(f"warning: {note}")
        say(str(error))
        return error.exit_code
    except PermissionError as error:
        say(f"{error.filename or 'a file'}: this account may not use it ({(error.strerror or 'denied').lower()})")
        return ExitCode.USAGE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - whatever arrives here is a bug of ours and is shown as one
        if short := shortage_of(error):
            say(short)
            return ExitCode.STOPPED
        from batchgen.cli.crash_report import crash_report

        sys.stderr.write(f"{crash_report(error)}\n")
        say("this is a bug in batchgen; what was bought is recorded, and running again resumes")
        return ExitCode.BUG
    return ExitCode.OK


def _refuse_other_words(words: Sequence[str]) -> None:
    commands = {command.name for command in app.registered_commands if command.name}
    if hint := hint_for(words, commands):
        raise UsageError(hint)


def _code(ending: SystemExit) -> int:
    return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
