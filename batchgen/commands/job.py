"""What several commands need of a manifest: the manifest itself, its folder, its service, its plan and its prices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from batchgen.commands.input_memory import input_files
from batchgen.errors import UsageError
from batchgen.manifest import Manifest, load_manifest
from batchgen.manifest.file_names import elsewhere_problem
from batchgen.planning.plan import Plan, make_plan
from batchgen.planning.prices import PriceBook
from batchgen.planning.video_pricing import usual_length_s
from batchgen.provider.choose import Service
from batchgen.provider.interface import Catalogue
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.price_history import experience

OUTPUTS = Path("outputs")


def manifest_of(manifest: Manifest | str | Path) -> Manifest:
    """Return a manifest, read from its file if need be. Raise :class:`~batchgen.errors.ManifestError`."""
    return load_manifest(manifest) if isinstance(manifest, str | Path) else manifest


def folder_of(manifest: Manifest, folder: str | Path | None = None) -> Path:
    """Return where a manifest's run lives: ``folder``, else its ``output.folder``, else ``outputs/<name>``.

    Raise :class:`UsageError` if ``folder`` is the address of a bucket or a server.
    """
    if folder is not None and (problem := elsewhere_problem(str(folder))):
        raise UsageError(f"the run folder {problem}")
    return Path(folder or manifest.output.folder or OUTPUTS / manifest.name)


def existing_folder(path: str | Path) -> RunFolder:
    """Return a run folder that a run has been in. Raise :class:`UsageError` if there is no ledger."""
    folder = RunFolder(Path(path))
    if not folder.exists:
        raise UsageError(f"{folder.root}: there is no ledger here; is this a run folder?")
    return folder


def service_of(manifest: Manifest) -> Service:
    """Return the service a manifest names, as the provider room takes it."""
    chosen = manifest.provider
    return Service(chosen.kind, manifest.folder, chosen.base_url, chosen.api_key_env, chosen.simulator, chosen.options)


def planned(manifest: Manifest, notice: Callable[[str], None] | None) -> Plan:
    """Return the plan that a run would follow: without the catalogue, requests would have other keys.

    ``notice`` hears if an old copy of the catalogue, or none, has to do.
    """
    import anyio

    from batchgen.provider.choose import look_up_catalogue

    found = anyio.run(look_up_catalogue, service_of(manifest))
    if found.notice and notice:
        notice(found.notice)
    return make_plan(manifest, found.catalogue, files=input_files(manifest))


def prices_of(manifest: Manifest, catalogue: Catalogue | None, folder: RunFolder) -> PriceBook:
    """Return what requests cost, by the manifest, the catalogue and what was billed in ``folder``."""
    seen = experience(folder.ledger, provider=manifest.provider.kind)
    return PriceBook(manifest.prices, catalogue, seen, usual_s=usual_length_s(manifest))
