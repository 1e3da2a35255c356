"""Bulk image generation that never pays twice for a result."""

# Two rooms share their name with a call of the interface. Importing the rooms first lets the calls have the names;
# `from batchgen.plan…` and `from batchgen.run…` still find the rooms.
import batchgen.plan
import batchgen.run  # noqa: F401 - see above
from batchgen.api import Run, RunReport, forecast, load_manifest, open_run, plan, run, run_async
from batchgen.version import __version__

__all__ = ["Run", "RunReport", "__version__", "forecast", "load_manifest", "open_run", "plan", "run", "run_async"]
