"""A job file (YAML, CSV, TSV, JSONL or text) becomes a frozen Manifest; its mistakes are reported all at once."""

from __future__ import annotations

from batchgen.manifest.cell_check import CellCheck
from batchgen.manifest.column_names import RESERVED_COLUMNS, column_problem
from batchgen.manifest.file_names import path_problem, segment_problem, slug
from batchgen.manifest.input_pictures import PictureCheck
from batchgen.manifest.jobfile import json_schema
from batchgen.manifest.load import load_manifest
from batchgen.manifest.model import (
    AccessChoice,
    Axis,
    AxisValue,
    CombinationRule,
    LaneLimit,
    Limits,
    Manifest,
    Output,
    ProviderChoice,
    Retry,
)
from batchgen.manifest.overrides import Overrides
from batchgen.manifest.price_tables import PriceTable, StatedPrice, flat, stated_price
from batchgen.manifest.row_check import RowCheck
from batchgen.manifest.rows import Row, Rows
from batchgen.manifest.scalars import MaxFailures, Rate, StopTime, max_failures, money, rate, stop_time
from batchgen.manifest.shard import Shard
from batchgen.manifest.shard_limits import folder_beside
from batchgen.manifest.template import Template, TemplateError
from batchgen.manifest.values import PARAMETERS, Value, check_value, normal_prompt, normalised

__all__ = [
    "PARAMETERS",
    "RESERVED_COLUMNS",
    "AccessChoice",
    "Axis",
    "AxisValue",
    "CellCheck",
    "CombinationRule",
    "LaneLimit",
    "Limits",
    "Manifest",
    "MaxFailures",
    "Output",
    "Overrides",
    "PictureCheck",
    "PriceTable",
    "ProviderChoice",
    "Rate",
    "Retry",
    "Row",
    "RowCheck",
    "Rows",
    "Shard",
    "StatedPrice",
    "StopTime",
    "Template",
    "TemplateError",
    "Value",
    "check_value",
    "column_problem",
    "flat",
    "folder_beside",
    "json_schema",
    "load_manifest",
    "max_failures",
    "money",
    "normal_prompt",
    "normalised",
    "path_problem",
    "rate",
    "segment_problem",
    "slug",
    "stated_price",
    "stop_time",
]
