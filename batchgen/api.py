"""The Python interface: the same calls the command line makes.

    from batchgen import load_manifest, plan, run, open_run, progress_bar

What a call needs is imported when it is made, so that ``import batchgen`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchgen.cli.notebook_bars import progress_bar
    from batchgen.commands.open_run import Run, open_run
    from batchgen.commands.plan import forecast, plan
    from batchgen.commands.run import RunResult, run, run_async
    from batchgen.manifest import load_manifest

__all__ = ["Run", "RunResult", "forecast", "load_manifest", "open_run", "plan", "progress_bar", "run", "run_async"]

_HOMES = {
    "Run": "batchgen.commands.open_run",
    "RunResult": "batchgen.commands.run",
    "forecast": "batchgen.commands.plan",
    "load_manifest": "batchgen.manifest",
    "open_run": "batchgen.commands.open_run",
    "plan": "batchgen.commands.plan",
    "progress_bar": "batchgen.cli.notebook_bars",
    "run": "batchgen.commands.run",
    "run_async": "batchgen.commands.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
