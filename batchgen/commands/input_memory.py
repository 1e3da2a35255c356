"""The input pictures of a manifest, as the commands look at them: with the memory in the user's cache folder."""

from __future__ import annotations

from batchgen.manifest import Manifest
from batchgen.store.inputs.input_files import InputFiles, Listen, silent
from batchgen.user_cache import cache_folder


def input_files(manifest: Manifest, *, decodes: bool = False, listen: Listen = silent) -> InputFiles:
    """Return the input pictures of ``manifest``; each is decoded if ``decodes``, else masks alone are."""
    try:
        cache = cache_folder()
    except RuntimeError:  # an account without a home
        cache = None
    return InputFiles(manifest.folder.resolve(), cache, decodes=decodes, listen=listen)
