"""The service behind the endpoints: settings, faults, sales, pictures and limits in one place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread

from batchgen.simulator.billing import BillingLedger
from batchgen.simulator.drawing import thumbnail
from batchgen.simulator.faults import Faults
from batchgen.simulator.rate_windows import FixedWindow
from batchgen.simulator.sales import Sales
from batchgen.simulator.settings import Settings
from batchgen.simulator.sold_pictures import PictureStore, SoldPicture
from batchgen.simulator.uploads import InputPicture

_DRAWING_THREADS = 4


@dataclass(slots=True)
class SimulatedService:
    """One simulated service with one account."""

    settings: Settings
    pictures_url: str
    faults: Faults
    sales: Sales
    pictures: PictureStore
    by_account: FixedWindow = field(default_factory=lambda: FixedWindow(1))
    by_address: FixedWindow = field(default_factory=lambda: FixedWindow(1))
    received: int = 0
    attempts: Counter[str] = field(default_factory=Counter)  # by body, those turned away included
    _first_asked_s: dict[str, float] = field(default_factory=dict)
    _pens: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(_DRAWING_THREADS))

    async def drawn(self, picture: SoldPicture) -> bytes:
        """Return the picture's bytes, drawn in a thread."""
        return await anyio.to_thread.run_sync(self.pictures.drawn, picture, limiter=self._pens)

    def asked_for_s(self, picture_id: str) -> float:
        """Return for how many seconds, from the first time on, the picture has been asked for."""
        now_s = anyio.current_time()
        return now_s - self._first_asked_s.setdefault(picture_id, now_s)

    async def keep_card(self, given: InputPicture) -> None:
        """Keep a small copy of an input, if its bytes were sent or the picture is our own."""
        if self.pictures.has_card(given.sha256):
            return
        data = given.data if given.data is not None else await self._own_picture(given.url)
        if data is None:
            return
        png = await anyio.to_thread.run_sync(thumbnail, data, limiter=self._pens)
        if png is not None:
            self.pictures.add_card(given.sha256, png)

    async def _own_picture(self, url: str) -> bytes | None:
        if not url.startswith(f"{self.pictures_url}/"):
            return None
        picture = self.pictures.find(url.rpartition("/")[2].partition(".")[0])
        return await self.drawn(picture) if picture else None

    def close(self) -> None:
        """Settle open sales and close the files."""
        self.sales.settle_all()
        self.sales.ledger.close()
        self.pictures.close()


def open_service(settings: Settings, pictures_url: str, state: Path | None) -> SimulatedService:
    """Return a service that continues from the last one on the same state folder."""
    ledger = BillingLedger(state / "billing.jsonl" if state else None)
    pictures = PictureStore(state)
    sales = Sales(round(settings.balance_usd * 1_000_000), ledger, pictures)
    return SimulatedService(settings, pictures_url, Faults(settings.faults, settings.seed), sales, pictures)
