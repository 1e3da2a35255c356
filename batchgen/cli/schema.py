"""``batchgen schema``: what a manifest may hold, as the JSON Schema that editors complete and check with."""

from __future__ import annotations

import json
import sys


def schema() -> None:
    """Print the JSON Schema of manifests; an editor with it completes keys and underlines mistakes."""
    from batchgen.manifest import json_schema

    sys.stdout.write(f"{json.dumps(json_schema(), indent=2, ensure_ascii=False)}\n")
