"""The job file's schema: which keys exist, what kind of value each takes, and its defaults.

It takes the text of a file and is turned into a frozen Manifest at once. Editors complete and check with its JSON
Schema.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, PlainValidator, Tag, model_validator
from pydantic import WithJsonSchema as Schema

from batchgen.manifest import parameter_schema, scalars
from batchgen.manifest.meant import Meant
from batchgen.manifest.price_tables import JSON_SCHEMA, StatedPrice, stated_price
from batchgen.manifest.values import MOST_REPEATS, Value
from batchgen.request import WireType

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_VALUE: dict[str, Any] = {"anyOf": [_SCALAR, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}


def _text(found: object) -> str:
    if not isinstance(found, str):
        raise ValueError("must be a text")  # noqa: TRY004 -- pydantic collects ValueErrors
    return found


def _value(found: object) -> Value:
    if isinstance(found, str):
        return found
    if isinstance(found, list) and found and all(isinstance(one, str) for one in found):
        return tuple(found)
    raise ValueError("must be a text")


def _given_value(found: object) -> Value | None:
    return None if found is None else _value(found)


def _kind(found: object) -> object:
    return {"kind": found} if isinstance(found, str) else found


def _form(found: object) -> str:
    """Return which of two forms a value has; pydantic names it in the location of its errors."""
    return "as mapping" if isinstance(found, dict) else "as list"


def _rows_form(found: object) -> str:
    return "as value" if isinstance(found, str) else "as list"


def _settings_form(found: object) -> str:
    return "as mapping" if isinstance(found, dict) else "as value"


def _no_settings(found: object) -> object:
    return {} if found is None else found


Text = Annotated[str, PlainValidator(_text), Schema(_SCALAR)]
JobName = Annotated[str, PlainValidator(_text), Schema({"type": "string", "pattern": r"\.[yY][aA]?[mM][lL]$"})]
RowsName = Annotated[
    str,
    PlainValidator(_text),
    Schema({"type": "string", "pattern": r"\.([cCtT][sS][vV]|[jJ][sS][oO][nN][lL]|[tT][xX][tT])(\.[gG][zZ])?$"}),
]
Glob = Annotated[str, PlainValidator(_text), Schema({"type": "string", "minLength": 1})]
Setting = Annotated[Value, PlainValidator(_value), Schema(_VALUE)]
Cell = Annotated[Value | None, PlainValidator(_given_value), Schema({"anyOf": [*_VALUE["anyOf"], {"type": "null"}]})]
Truth = Annotated[bool, PlainValidator(scalars.truth), Schema({"type": "boolean"})]
Money = Annotated[
    int,
    PlainValidator(scalars.money),
    Schema({"type": ["number", "string"], "minimum": 0, "pattern": r"^[0-9]+(\.[0-9]+)?$"}),
]
ModelPrice = Annotated[StatedPrice, PlainValidator(stated_price), Schema(JSON_SCHEMA)]
StartRate = Annotated[
    scalars.Rate,
    PlainValidator(scalars.rate),
    Schema({"type": "string", "pattern": "^[0-9.]+ ?/ ?(s|sec|second|min|minute|m|h|hour|d|day)$"}),
]


Failures = Annotated[
    scalars.MaxFailures,
    PlainValidator(scalars.max_failures),
    Schema({"type": ["integer", "string"], "minimum": 1, "pattern": "^[0-9]+((\\.[0-9]+)? ?%)?$"}),
]
StopTime = Annotated[
    scalars.StopTime,
    PlainValidator(scalars.stop_time),
    Schema({"type": "string", "pattern": "^([0-9]{1,2}:[0-9]{2}|([0-9]+ ?(d|h|m|min|s) ?)+)$"}),
]
Number = Annotated[
    Decimal,
    PlainValidator(scalars.number),
    Schema({"type": ["number", "string"], "pattern": "^-?[0-9]+(\\.[0-9]+)?$"}),
]


def _duration_schema() -> Schema:
    return Schema({"type": "string", "pattern": "^[0-9.]+ ?(ms|s|sec|min|m|h|d)$"})


Deadline = Annotated[float, PlainValidator(scalars.duration_within(1, DAY_S)), _duration_schema()]
Wait = Annotated[float, PlainValidator(scalars.duration_within(0, 7 * DAY_S)), _duration_schema()]


def _whole_schema(low: int, high: int) -> Schema:
    return Schema({"type": "integer", "minimum": low, "maximum": high})


Concurrency = Annotated[int, PlainValidator(scalars.whole_within(1, 10_000)), _whole_schema(1, 10_000)]
Repeat = Annotated[int, PlainValidator(scalars.whole_within(1, MOST_REPEATS)), _whole_schema(1, MOST_REPEATS)]
Attempts = Annotated[int, PlainValidator(scalars.whole_within(1, 100)), _whole_schema(1, 100)]


class Section(BaseModel):
    """A mapping with fixed keys. A key without a value counts as not given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_empty_keys(cls, found: object) -> object:
        if not isinstance(found, dict):
            return found
        return {name: value for name, value in found.items() if value is not None or name not in cls.model_fields}


class FromEnvironment(Section):
    """The name of the environment variable with a secret value."""

    env: Annotated[Text, Field(description="The variable's name, such as AZURE_KEY")]


class DownloadsSection(Section):
    """How pictures are fetched from their addresses."""

    authorization: Annotated[
        Literal["same-host"] | None, Field(description="same-host: send the key to links on the service's own host")
    ] = None


HeaderValue = Annotated[
    Annotated[FromEnvironment, Tag("as mapping")] | Annotated[Text, Tag("as value")], Discriminator(_settings_form)
]


class ProviderSection(Section):
    """The service, its address and its key."""

    kind: Annotated[Text, Field(description="imagerouter, openai, simulator, or the kind of a plugin")]
    base_url: Annotated[Text | None, Field(description="The service's address; default: the kind's own")] = None
    api_key_env: Annotated[Text | None, Field(description="The environment variable that holds the key")] = None
    simulator: Annotated[dict[str, Any], Field(description="Settings of the simulator: latency_scale, …")] = {}
    options: Annotated[dict[str, Any], Field(description="Options of a plugin's provider")] = {}
    parameters: Annotated[
        dict[str, WireType], Field(description="Parameters that the service takes beside the known ones, by type")
    ] = {}
    headers: Annotated[dict[str, HeaderValue], Field(description="More headers; secrets as {env: NAME}")] = {}
    query: Annotated[dict[str, Text], Field(description="Added to each address, such as api-version")] = {}
    proxy: Annotated[Text | None, Field(description="env (the default), none, or http://host:port")] = None
    ca: Annotated[Text | None, Field(description="A PEM file with certificates to trust beside the system's")] = None
    socket: Annotated[Text | None, Field(description="The path of a socket on which the service listens")] = None
    downloads: Annotated[DownloadsSection, Field(description="How pictures are fetched from links")] = (
        DownloadsSection()
    )


class LaneSection(Section):
    """The limits of the models that match the name or glob."""

    concurrency: Annotated[Concurrency | None, Field(description="Requests in flight to these models")] = None
    rate: Annotated[StartRate | None, Field(description="Starts, such as 60/min or 50/day")] = None


class LimitsSection(Section):
    """Requests in flight, start rate, money and end of a run."""

    concurrency: Annotated[Concurrency, Field(description="Requests in flight, over all lanes")] = 16
    adaptive: Annotated[Truth, Field(description="Begin low and adapt to the service; false: the ceiling at once")] = (
        True
    )
    rate: Annotated[StartRate | None, Field(description="Starts per lane, such as 5/s")] = None
    budget_usd: Annotated[Money | None, Field(description="Never send what could cost more than this in all")] = None
    night_budget_usd: Annotated[Money | None, Field(description="As budget_usd, for what one night may cost")] = None
    deadline: Annotated[
        StopTime | None, Field(description="Send nothing after this time of day, or so long after the start")
    ] = None
    max_failures: Annotated[
        Failures | None, Field(description="Stop a run after so many failures, or such a share of them: 10 or 5%")
    ] = None
    lanes: Annotated[dict[str, LaneSection], Field(description="Limits per model; globs such as openai/*")] = {}


class RetrySection(Section):
    """Attempts and waits."""

    attempts: Annotated[Attempts, Field(description="How often a request is tried in one run")] = 6
    deadline: Annotated[Deadline, Field(description="The longest a single attempt may take")] = 660.0
    max_wait: Annotated[Wait, Field(description="The longest a request waits for a throttling service")] = 900.0
    on_doubt: Annotated[
        Literal["retry", "hold"], Field(description="Whether a request that may have been billed is sent again")
    ] = "retry"
    risk_usd: Annotated[Money | None, Field(description="How much may be paid twice in all")] = None


class InputsSection(Section):
    """What is done with input pictures and masks before they are sent."""

    orient: Annotated[
        Truth, Field(description="Turn pictures upright, as their EXIF data say, before they are sent")
    ] = False


class OutputSection(Section):
    """The run folder and the names of pictures."""

    folder: Annotated[Text | None, Field(description="Default: outputs/NAME")] = None
    path: Annotated[Text | None, Field(description="A template for file names, without extension")] = None
    pictures: Annotated[
        Text | None,
        Field(description="A bucket for the pictures, such as s3://bucket/prefix. Default: the run folder"),
    ] = None
    deleted: Annotated[
        Literal["respect", "restore"],
        Field(description="Whether files that were deleted by hand stay deleted, or come back at each run, free"),
    ] = "respect"


class RangeSection(Section):
    """Numbers from one end to the other, both included."""

    first: Annotated[Number, Field(alias="from", description="The first number")]
    to: Annotated[Number, Field(description="The last number")]
    step: Annotated[Number | None, Field(description="Default: 1", json_schema_extra={"not": {"enum": [0, "0"]}})] = (
        None
    )


class FileSection(Section):
    """Values of a file: lines of a text, or a column of a CSV, TSV or JSONL file."""

    file: Annotated[RowsName, Field(description="A text, CSV, TSV or JSONL file beside this one")]
    column: Annotated[Text | None, Field(description="Default: the axis' own name, or the only column")] = None
    title: Annotated[Text | None, Field(description="The column that titles the values")] = None


class FilesSection(Section):
    """The files that a glob matches, in order, each titled by its name."""

    files: Annotated[Glob, Field(description="A glob such as inputs/*.png")]


Listed = RangeSection | FileSection | FilesSection


def _resolved(found: object) -> object:
    """Return ``found``: ranges, files and folders have become their values by now; only the schema knows of them."""
    return found


Settings = Annotated[dict[str, Setting], Field(json_schema_extra=parameter_schema.settings)]
Cells = Annotated[dict[str, Cell], Field(json_schema_extra=parameter_schema.settings)]
Titled = dict[
    str,
    Annotated[
        Annotated[Settings, Tag("as mapping")] | Annotated[Setting, Tag("as value")],
        Discriminator(_settings_form),
        BeforeValidator(_no_settings, json_schema_input_type=Settings | Setting | None),
    ],
]
_Several = Annotated[list[Setting], Field(json_schema_extra={"minItems": 1})]
# A mapping with these keys is never a mapping of titles.
_LISTED_KEYS = (["from"], ["to", "step"], ["file"], ["files"])
_UNTITLED: dict[str, Any] = {"not": {"anyOf": [{"required": keys} for keys in _LISTED_KEYS]}}
AxisSection = Annotated[
    Annotated[list[Setting], Tag("as list")] | Annotated[Titled, Tag("as mapping")],
    Discriminator(_form),
    BeforeValidator(
        _resolved,
        json_schema_input_type=_Several | Listed | Annotated[Titled, Field(json_schema_extra=_UNTITLED)],
    ),
]
Zipped = Annotated[list[Setting], BeforeValidator(_resolved, json_schema_input_type=_Several | Listed)]

RowsSection = Annotated[
    Annotated[RowsName, Tag("as value")]
    | Annotated[list[Cells], Field(json_schema_extra={"minItems": 1}), Tag("as list")],
    Discriminator(_rows_form),
]


class JobFile(Section):
    """A batchgen job."""

    extends: Annotated[JobName | None, Field(description="A job file below this one's folder, to which this adds")] = (
        None
    )
    name: Annotated[Text | None, Field(description="Default: the file's name; also names the run folder")] = None
    provider: Annotated[
        ProviderSection,
        BeforeValidator(_kind, json_schema_input_type=ProviderSection | Text),
        Field(description="The service: imagerouter, simulator, or a mapping with kind, base_url and more"),
    ] = ProviderSection(kind="imagerouter")
    kind: Annotated[
        Literal["image", "video"] | None,
        Field(description="What is made; default: what the catalogue says of a model, else video if seconds is set"),
    ] = None
    prompt: Annotated[Text | None, Field(description="A template: {name} is replaced, {{ and }} are braces")] = None
    rows: Annotated[
        RowsSection | None, Field(description="A CSV, TSV, JSONL or text file beside this one, or a list of mappings")
    ] = None
    defaults: Annotated[Cells, Field(description="Parameters and variables for every request")] = {}
    matrix: Annotated[
        dict[str, AxisSection],
        Field(description="Every combination of these axes", json_schema_extra=parameter_schema.axes),
    ] = {}
    zip: Annotated[list[dict[str, Zipped]], Field(description="Axes that move together")] = []
    exclude: Annotated[list[dict[str, Text]], Field(description="Combinations to drop; globs allowed")] = []
    include: Annotated[list[dict[str, Text]], Field(description="Single combinations to add")] = []
    repeat: Annotated[Repeat, Field(description="Pictures per combination")] = 1
    limits: Annotated[LimitsSection, Field(description="Requests in flight, start rate, money and end of a run")] = (
        LimitsSection()
    )
    retry: Annotated[RetrySection, Field(description="How often and how long a request is tried")] = RetrySection()
    prices: Annotated[
        dict[str, ModelPrice],
        Field(
            description="USD per picture, if a service states no cost: an amount, a table by quality and size, or "
            "per_million_tokens with what a request costs at_most"
        ),
    ] = {}
    inputs: Annotated[InputsSection, Field(description="How input pictures and masks are sent")] = InputsSection()
    output: Annotated[OutputSection, Field(description="The run folder and the names of pictures")] = OutputSection()
    reuse: Annotated[list[Text], Field(description="Run folders whose pictures are linked instead of bought")] = []
    columns: Annotated[list[Text], Field(description="Columns of your own whose names read like a parameter")] = []
    meant: Annotated[list[Meant], Field(description="Kinds of mistake that are none here")] = []


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a job file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **JobFile.model_json_schema()}
