"""What the exit codes of each command mean, as its help says."""

from __future__ import annotations

from collections.abc import Mapping

from batchgen.errors import ExitCode

_DONE = {ExitCode.OK: "done"}
_USAGE = {ExitCode.USAGE: "wrong usage; nothing was changed"}
_JOB = {ExitCode.USAGE: "wrong usage or manifest; nothing was sent"}
_DAMAGED = {ExitCode.DAMAGED: "the ledger is damaged, or of a newer batchgen; it was left untouched"}
_IN_USE = {ExitCode.IN_USE: "another run holds the folder"}
_DISK = {ExitCode.STOPPED: "the disk or the network failed; the same command goes on"}
_READS = _DONE | _USAGE | _DAMAGED
_WRITES = _DONE | _USAGE | _DISK | _IN_USE | _DAMAGED

_OF_COMMAND: Mapping[str, Mapping[ExitCode, str]] = {
    "run": {
        ExitCode.OK: "everything is stored",
        ExitCode.FAILURES: "finished; some were refused or unusable, or a picture is missing",
        **_JOB,
        ExitCode.STOPPED: "stopped early, resumable; the reason is in summary.json",
        ExitCode.DOUBT: "some may have been billed without a picture",
        **_IN_USE,
        **_DAMAGED,
        ExitCode.INTERRUPTED: "stopped by Ctrl-C",
        ExitCode.TERMINATED: "stopped by a signal",
    },
    "plan": _DONE | _JOB | _DAMAGED,
    "check": {ExitCode.OK: "no mistakes", ExitCode.USAGE: "mistakes, each with its place"},
    "explain": _DONE | _JOB | _DAMAGED,
    "status": _READS,
    "watch": _READS | {ExitCode.INTERRUPTED: "stopped by Ctrl-C; the run goes on"},
    "ctl": {
        ExitCode.OK: "the run has done it",
        ExitCode.FAILURES: "the run has not answered yet",
        ExitCode.USAGE: "there is no run, or the run can't do it",
        **_DISK,
        **_DAMAGED,
    },
    "report": _READS | _DISK,
    "compare": _READS | _DISK,
    "open": _READS | _DISK,
    "share": _READS | _DISK,
    "rank": _READS | _DISK,
    "verify": {
        ExitCode.OK: "no difference",
        ExitCode.FAILURES: "some differences",
        **_USAGE,
        **_DAMAGED,
    },
    "export": {
        ExitCode.OK: "everything is exported",
        ExitCode.FAILURES: "some pictures are missing or altered",
        **_USAGE,
        **_DISK,
        **_DAMAGED,
    },
    "prune": _WRITES,
    "restore": {ExitCode.FAILURES: "some could not be brought back"} | _WRITES,
    "choose": _WRITES,
    "adopt": _WRITES,
    "models": _DONE | _USAGE | {ExitCode.STOPPED: "the service gives no catalogue"},
    "doctor": {
        ExitCode.OK: "all of it works",
        ExitCode.USAGE: "something is wrong that has to be mended",
        ExitCode.STOPPED: "the bucket fails for the moment",
    },
    "init": _DONE | {ExitCode.USAGE: "wrong usage, or a file is there already; nothing was written"},
    "schema": _DONE,
    "simulate": _DONE | _USAGE,
}
_BUG = {ExitCode.BUG: "a bug of ours"}


def epilog(command: str) -> str:
    """Return ``Exit codes:`` with a line for each, for the end of a command's help."""
    meanings = {**_OF_COMMAND.get(command, _DONE | _USAGE), **_BUG}
    lines = [f"  {int(code):>3}  {meanings[code]}" for code in sorted(meanings)]
    # Without this character the help would fill the lines as it fills sentences.
    return "\n".join(["\b", "Exit codes:", *lines])
