"""The frozen Manifest: everything a job file says, in types, with nothing left to guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from batchgen.errors import Problem
from batchgen.manifest.parameters import Parameters
from batchgen.manifest.price_tables import StatedPrice
from batchgen.manifest.row_rules import RowRules
from batchgen.manifest.rows import Rows
from batchgen.manifest.scalars import MaxFailures, Rate, StopTime
from batchgen.manifest.shard import Shard
from batchgen.manifest.template import Template
from batchgen.manifest.values import Value
from batchgen.request import Kind


@dataclass(frozen=True, slots=True)
class AccessChoice:
    """How a service is reached. ``secret_headers`` have names of variables for values; ``proxy`` may be env or none.

    The files ``ca`` and ``socket`` are relative to the manifest's folder.
    """

    headers: Mapping[str, str]
    secret_headers: Mapping[str, str]
    query: Mapping[str, str]
    proxy: str
    ca: str | None
    socket: str | None
    key_to_own_host: bool


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """Which service is asked. ``None`` stands for the kind's own default; ``options`` are for a plugin's provider."""

    kind: str
    base_url: str | None
    api_key_env: str | None
    simulator: Mapping[str, object]
    options: Mapping[str, object]
    access: AccessChoice


@dataclass(frozen=True, slots=True)
class AxisValue:
    """One value of an axis: the title it is chosen by, and everything it sets."""

    title: str
    settings: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Axis:
    """A dimension of the plan. An axis made of a ``zip`` is named by its members, as ``subject+image``."""

    name: str
    values: tuple[AxisValue, ...]


@dataclass(frozen=True, slots=True)
class CombinationRule:
    """An entry of ``exclude`` or ``include``: axis or variable → title, or glob in ``exclude``."""

    choice: Mapping[str, str]
    place: str


@dataclass(frozen=True, slots=True)
class LaneLimit:
    """Limits for the models that ``pattern``, a glob, matches."""

    pattern: str
    concurrency: int | None
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class Limits:
    """The run's limits: requests in flight, start rate, money and end. ``None`` means that no limit was given.

    ``night_microusd``, ``deadline`` and ``max_failures`` bound a run unless its caller says otherwise.
    """

    concurrency: int
    adaptive: bool
    rate: Rate | None
    budget_microusd: int | None
    lanes: tuple[LaneLimit, ...]
    night_microusd: int | None = None
    deadline: StopTime | None = None
    max_failures: MaxFailures | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long the run tries. ``risk_microusd`` may be paid twice in all; ``None``: the run's default."""

    attempts: int
    deadline_s: float
    video_deadline_s: float
    max_wait_s: float
    on_doubt: Literal["retry", "hold"]
    risk_microusd: int | None


@dataclass(frozen=True, slots=True)
class Output:
    """Where pictures go. ``folder`` is relative to the current folder; ``None`` is the default.

    ``deleted`` says what becomes of files that their user deleted: ``respect`` or ``restore``. ``pictures`` is the
    address of a bucket, if they rest there instead of in the folder.
    """

    folder: str | None
    path: Template | None
    deleted: str = "respect"
    pictures: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A job file as the rest of the program sees it. Relative paths in it are relative to ``folder``.

    ``kind`` is ``None`` if each model's own kind counts. The folders of ``reuse`` are relative to the current one.
    Rows and pictures may lie outside ``folder`` only if ``allow_outside``. ``places`` say where each entry of
    ``limits.lanes`` and ``prices`` stands, and ``provider.simulator``, by section and name. ``flags`` stand above
    everything that a row or a combination says. ``notices`` tell what is odd and stops nothing. Input pictures are sent
    upright, as their EXIF data say, if ``orient``. With a ``shard``, the plan is that part of the whole, and the limits
    are the part's.
    """

    name: str
    source: Path
    folder: Path
    provider: ProviderChoice
    prompt: Template | None
    rows: Rows
    defaults: Mapping[str, Value]
    axes: tuple[Axis, ...]
    exclude: tuple[CombinationRule, ...]
    include: tuple[CombinationRule, ...]
    repeat: int
    limits: Limits
    retry: Retry
    prices: Mapping[str, StatedPrice]
    output: Output
    kind: Kind | None
    reuse: tuple[str, ...]
    parameters: Parameters = field(default_factory=Parameters)
    allow_outside: bool = False
    places: Mapping[tuple[str, str], str] = field(default_factory=dict)
    flags: Mapping[str, Value] = field(default_factory=dict)
    row_rules: RowRules = field(default_factory=RowRules)
    notices: tuple[Problem, ...] = ()
    orient: bool = False
    shard: Shard | None = None

    @property
    def shards(self) -> int:
        """In how many parts the plan is run."""
        return 1 if self.shard is None else self.shard.count
