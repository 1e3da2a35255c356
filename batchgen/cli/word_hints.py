"""What people type and batchgen calls by another name, told before the parser guesses a wrong one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

_STOP = (
    "stop a run with Ctrl-C: what is under way is finished, and the same `batchgen run JOB` goes on later; "
    "from another terminal, end the process that `batchgen status FOLDER` names with `kill`"
)
_GO_ON = "the same `batchgen run JOB` goes on where it stopped, and buys nothing twice"
_PRICE = "`batchgen plan JOB` shows what would be bought and its price, and sends nothing"

_COMMANDS = {
    **dict.fromkeys(("pause", "stop", "cancel", "abort", "kill"), _STOP),
    **dict.fromkeys(("resume", "continue", "restart"), _GO_ON),
    "retry": "`batchgen run JOB --retry refused` sends refused requests again",
    **dict.fromkeys(("price", "cost", "estimate", "dry-run", "dryrun", "forecast"), _PRICE),
    **dict.fromkeys(("validate", "lint", "verify-job", "test"), "`batchgen check JOB` finds every mistake"),
    **dict.fromkeys(("open", "view", "show"), "open report.html of the run folder; `batchgen report FOLDER` writes it"),
    **dict.fromkeys(("watch", "progress", "ps", "list"), "`batchgen status FOLDER` shows a run, also while it goes on"),
    **dict.fromkeys(("clean", "delete", "rm"), "`batchgen prune JOB` takes away what the manifest no longer asks for"),
    **dict.fromkeys(("generate", "start", "create", "make"), "`batchgen run JOB` makes the pictures of a manifest"),
    "help": "`batchgen --help` lists the commands, and `batchgen COMMAND --help` their options",
    "version": "`batchgen --version` prints it",
}

_SHOWS = "`--first N` shows N requests of a plan, `run --limit N` sends N, `--repeat N` makes N pictures of each"
_OPTIONS = {
    "-n": _SHOWS,
    "-N": _SHOWS,
    "-v": "`batchgen run -v` writes a line for each request; `batchgen --version` prints the version",
    "--verbose": "`batchgen run --verbose` writes a line for each request",
    "-q": "`batchgen run -q` says nothing but warnings; of other commands, `2> /dev/null` hides what is said to people",
    "--quiet": "`batchgen run --quiet` says nothing but warnings",
    "--resume": _GO_ON,
    "--force": "`--yes` starts a run of any size; nothing stored is bought again but with --retry",
    "--output": "give the run folder with --out",
    "-o": "give the run folder with --out",
}
_OF_RUN = ("-n", "-v", "--verbose", "-q", "--quiet")


def hint_for(words: Sequence[str], commands: Collection[str]) -> str:
    """Return what is meant by the first of ``words`` if it is no command, or by an option; else an empty text."""
    if not words:
        return ""
    first, *others = words
    if first not in commands:
        hint = _COMMANDS.get(first) or (_OPTIONS.get(first) if first.startswith("-") else "")
        return f"there is no {first!r}: {hint}" if hint else ""
    if first != "run" and {"--dry-run", "-n"} & {*others}:
        return f"{'--dry-run' if '--dry-run' in others else '-n'} is for `batchgen run`: {_PRICE}"
    taken = _OF_RUN if first == "run" else ()
    option = next((word for word in others if word in _OPTIONS and word not in taken), "")
    return f"there is no {option}: {_OPTIONS[option]}" if option else ""
