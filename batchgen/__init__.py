"""Bulk image generation that never pays twice for a result."""

from batchgen.api import Run, RunReport, forecast, load_manifest, open_run, plan, run, run_async
from batchgen.version import __version__

__all__ = ["Run", "RunReport", "__version__", "forecast", "load_manifest", "open_run", "plan", "run", "run_async"]
