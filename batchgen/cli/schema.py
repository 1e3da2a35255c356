"""``batchgen schema``: what a manifest may hold, as the JSON Schema that editors complete and check with."""

from __future__ import annotations

import json
import sys

# The file beside a manifest that the first line of each starter names.
FILE_NAME = "manifest.schema.json"


def schema() -> None:
    """Print the JSON Schema of manifests; an editor with it completes keys, explains them and underlines mistakes.

    An editor finds it by a manifest's first line: `# yaml-language-server: $schema=manifest.schema.json`.
    """
    sys.stdout.write(schema_text())


def schema_text() -> str:
    """Return the schema as the text of a file."""
    from batchgen.manifest import json_schema

    return f"{json.dumps(json_schema(), indent=2, ensure_ascii=False)}\n"
