"""What several commands need of a manifest: the manifest itself, its folder, its service, its plan and its prices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from batchgen.commands.input_memory import input_files
from batchgen.errors import UsageError, nearest
from batchgen.manifest import AccessChoice, Manifest, folder_beside, load_manifest
from batchgen.manifest.file_names import elsewhere_problem
from batchgen.planning.plan import Plan, make_plan
from batchgen.planning.price_list import openai_prices
from batchgen.planning.prices import PriceBook
from batchgen.planning.video_pricing import usual_length_s
from batchgen.provider.choose import Service
from batchgen.provider.interface import Catalogue
from batchgen.provider.service_access import AccessSettings
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.price_history import experience

OUTPUTS = Path("outputs")


def manifest_of(manifest: Manifest | str | Path) -> Manifest:
    """Return a manifest, read from its file if need be. Raise :class:`~batchgen.errors.ManifestError`."""
    return load_manifest(manifest) if isinstance(manifest, str | Path) else manifest


def folder_of(manifest: Manifest, folder: str | Path | None = None) -> Path:
    """Return where a manifest's run lives: ``folder``, else its ``output.folder``, else ``outputs/<name>``.

    A shard has a folder of its own beside the whole plan's, such as ``outputs/mugs-0-of-4``.
    Raise :class:`UsageError` if ``folder`` is the address of a bucket or a server.
    """
    if folder is not None and (problem := elsewhere_problem(str(folder))):
        raise UsageError(f"the run folder {problem}")
    if folder:
        return Path(folder)
    whole = Path(manifest.output.folder or OUTPUTS / manifest.name)
    return whole if manifest.shard is None else folder_beside(whole, manifest.shard)


def existing_folder(path: str | Path) -> RunFolder:
    """Return a run folder that a run has been in. Raise :class:`UsageError` if there is no ledger."""
    folder = RunFolder(Path(path))
    if not folder.exists:
        raise UsageError(f"{folder.root}: there is no ledger here; is this a run folder?")
    return folder


def run_folder_at(path: str | Path) -> RunFolder:
    """Return the run folder at ``path``, for reading. Raise :class:`UsageError` unless a run has been there."""
    root = Path(path)
    folder = RunFolder(root)
    if folder.ledger.parent.is_dir():
        # One without its ledger is damaged, and told as such by whoever reads the ledger.
        return folder
    if not root.exists():
        near = nearest(root.name, (other.name for other in root.parent.iterdir())) if root.parent.is_dir() else ""
        raise UsageError(f"{root}: there is no such folder" + (f" ({near})" if near else ""))
    if not root.is_dir():
        raise UsageError(f"{root} is a file; name its run folder, such as {OUTPUTS / root.stem}")
    raise UsageError(f"{root}: there is no ledger here; is this a run folder?")


def service_of(manifest: Manifest) -> Service:
    """Return the service a manifest names, as the provider room takes it."""
    chosen = manifest.provider
    return Service(
        chosen.kind,
        manifest.folder,
        chosen.base_url,
        chosen.api_key_env,
        chosen.simulator,
        chosen.options,
        _access_settings(manifest.folder, chosen.access),
    )


def _access_settings(folder: Path, chosen: AccessChoice) -> AccessSettings:
    return AccessSettings(
        chosen.headers,
        chosen.secret_headers,
        chosen.query,
        chosen.proxy,
        ca=folder / Path(chosen.ca).expanduser() if chosen.ca else None,
        socket=folder / Path(chosen.socket).expanduser() if chosen.socket else None,
        key_to_own_host=chosen.key_to_own_host,
    )


def planned(manifest: Manifest, notice: Callable[[str], None] | None) -> Plan:
    """Return the plan that a run would follow: without the catalogue, requests would have other keys.

    ``notice`` hears if an old copy of the catalogue, or none, has to do.
    """
    from batchgen.provider.choose import look_up_catalogue
    from batchgen.running.outer_loop import wait_for

    found = wait_for(look_up_catalogue, service_of(manifest))
    if notice:
        for one in found.notices:
            notice(one)
    return make_plan(manifest, found.catalogue, files=input_files(manifest))


def prices_of(manifest: Manifest, catalogue: Catalogue | None, folder: RunFolder) -> PriceBook:
    """Return what requests cost, by the manifest, the catalogue, a price list and what was paid in ``folder``."""
    seen = experience(folder.ledger, provider=manifest.provider.kind)
    price_list = openai_prices() if manifest.provider.kind == "openai" else None
    return PriceBook(manifest.prices, catalogue, seen, usual_s=usual_length_s(manifest), price_list=price_list)
