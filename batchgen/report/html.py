"""report.html: one page that opens from disk, on a phone and on paper, and loads nothing else.

Every text is foreign: it is escaped, loses its control and direction characters, and can't load or run anything. The
page's own script sorts its tables and copies its commands; the policy names it by its digest, so that no other runs.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from batchgen.report import figures
from batchgen.report.charts import cost_chart, latency_chart
from batchgen.report.line_charts import cost_lines, latency_lines, speed, spending
from batchgen.report.lists import Ranked, worth_telling
from batchgen.report.reading import Report
from batchgen.wording import counted, visible

_TEMPLATES = Path(__file__).parent / "templates"

# The most values of one axis, runs and errors that the page lists.
_ROWS = 100


def page(report: Report) -> bytes:
    """Return the whole page, as UTF-8."""
    template = _environment().get_template("report.html.j2")
    return template.render(
        report=report,
        summary=report.summary,
        total=report.total,
        words=figures,
        cost=cost_chart(report.models),
        latency=latency_chart(report.models),
        distributions=[
            ("Latency", "share of pictures made within", latency_lines(report.curves.latency)),
            ("Cost", "share of requests that cost at most", cost_lines(report.curves.cost)),
        ],
        spending=spending(report.curves.course),
        speed=speed(report.curves.course),
        dearest=_dearest(report.dearest),
        told=worth_telling(report.runs),
        compared=(report.folder / "compare.html").is_file(),
        voted=(report.folder / "votes.jsonl").is_file(),
        script=Markup(script()),  # noqa: S704 - our own file, which holds nothing foreign
        digest=base64.b64encode(hashlib.sha256(script().encode()).digest()).decode(),
        rows=_ROWS,
        manifest=report.runs[-1].manifest if report.runs else "",
        hidden_doubts=report.total.doubt - len(report.doubts),
        hidden_failures=report.total.failed + report.total.waiting - len(report.failures),
    ).encode()


@cache
def script() -> str:
    """Return the page's script exactly as it stands between its tags, since the policy has its digest."""
    return (_TEMPLATES / "report.js").read_text(encoding="utf-8")


def address(file: str) -> str:
    """Return the relative address of a file of the run folder: no name can leave the folder or become a scheme."""
    return "./" + quote(file, safe="/")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Applied to every value that the template prints, so that none can be forgotten.
        finalize=_plain,
    )
    environment.filters["address"] = address
    environment.globals["counted"] = counted
    environment.globals["short"] = _short
    environment.globals["brief"] = _brief
    environment.globals["worth"] = _worth
    return environment


def _plain(value: object) -> object:
    # Macros return `Markup`, a subclass of `str` whose parts went through here already.
    return visible(value) if type(value) is str and not value.isprintable() else value


def _short(text: str, length: int = 240) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _brief(model: str) -> str:
    """Return a model's name without its maker."""
    return model.rpartition("/")[2] or model


def _dearest(ranked: Sequence[Ranked]) -> Sequence[Ranked]:
    """Return the dearest requests; none if each model has one price, for then any of its requests is as dear."""
    prices: dict[str, set[int]] = {}
    for request in ranked:
        prices.setdefault(request.model, set()).add(request.spent_microusd)
    return ranked if any(len(found) > 1 for found in prices.values()) else ()


def _worth(value: float | None) -> float | str:
    """Return the value by which a figure's column is sorted; an empty text if it is unknown."""
    return "" if value is None else value
