"""Bulk image generation that never pays twice for a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchgen.version import __version__

if TYPE_CHECKING:
    from batchgen.api import Run, RunResult, forecast, load_manifest, open_run, plan, progress_bar, run, run_async

__all__ = [
    "Run",
    "RunResult",
    "__version__",
    "forecast",
    "load_manifest",
    "open_run",
    "plan",
    "progress_bar",
    "run",
    "run_async",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from batchgen import api

    return getattr(api, name)
