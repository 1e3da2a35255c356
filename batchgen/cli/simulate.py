"""``batchgen simulate``: the local service in the foreground, for trying things out and for tests of other programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.errors import StoppedEarly, UsageError

if TYPE_CHECKING:
    from batchgen.simulator.endpoints import Endpoints


def simulate(
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of the API; 0 for any free one.")] = 0,
    state: Annotated[
        Path | None, typer.Option("--state", help="Folder that keeps the simulator's state between starts.")
    ] = None,
    settings: Annotated[
        str,
        typer.Option(
            "--settings",
            metavar="JSON",
            help='Latency, balance, limits, faults: {"latency_s": 1, "faults": [{"kind": "throttle", "every": 9}]}; '
            "an unknown name is refused with the list of known ones.",
        ),
    ] = "{}",
    list_faults: Annotated[
        bool, typer.Option("--list-faults", help="Print every fault and shape of an answer there is, and end.")
    ] = False,
) -> None:
    """Run a service on this machine that behaves, bills and fails like ImageRouter, until Ctrl-C.

    Each fault strikes by model, by turn or by chance: a lost answer, {"kind": "reset_before", "probability": 0.1}; a
    picture as other services send it, {"kind": "odd_answer", "place": "images", "encoding": "gzip"}; an error of
    somebody else, {"kind": "error_answer", "error": "credits_xai", "after": 5}; a supplier without money,
    {"kind": "supplier_dry", "model": "google/*", "deposit_usd": 1}. docs/simulator.md describes them all.
    """
    if list_faults:
        from batchgen.simulator.fault_list import fault_list

        sys.stdout.write(fault_list())
        return
    from batchgen.simulator.serve import serve
    from batchgen.simulator.settings import BadSettings, settings_from_json
    from batchgen.simulator.state_folder import FolderTaken

    try:
        chosen = settings_from_json(settings)
    except BadSettings as error:
        raise UsageError(f"--settings: {error}") from error
    try:
        serve(chosen, port=port, state=state, on_ready=_announce)
    except (OSError, FolderTaken) as error:
        raise StoppedEarly(f"the simulator can't start: {error}") from error


def _announce(endpoints: Endpoints) -> None:
    sys.stdout.write(f"{endpoints.api_url}\n")
    sys.stdout.flush()
    sys.stderr.write(
        f"simulated service at {endpoints.api_url} (key: simulator); no real money is spent; Ctrl-C ends it\n"
        f"  in a manifest:     provider: {{kind: simulator, base_url: {endpoints.api_url}}}\n"
        f"  OpenAI's clients:  base_url={endpoints.api_url}/v1\n"
    )
