"""report.html: one page that opens from disk, on a phone and on paper, and runs nothing.

Every text is foreign: it is escaped, loses its control and direction characters, and can't load or run a thing.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from batchgen.report import words
from batchgen.report.charts import cost_chart, latency_chart
from batchgen.report.reading import Report
from batchgen.store.plain import visible

# Values of one axis, runs, and errors that a page can hold and still be read.
_ROWS = 100


def page(report: Report) -> bytes:
    """The whole page, as UTF-8."""
    template = _environment().get_template("report.html.j2")
    return template.render(
        report=report,
        summary=report.summary,
        total=report.total,
        words=words,
        cost=cost_chart(report.models),
        latency=latency_chart(report.models),
        rows=_ROWS,
        manifest=report.runs[-1].manifest if report.runs else "",
        hidden_doubts=report.total.doubt - len(report.doubts),
        hidden_failures=report.total.failed + report.total.waiting - len(report.failures),
    ).encode()


def address(file: str) -> str:
    """The relative address of a file of the run folder: a name can't leave the folder or become another scheme."""
    return "./" + quote(file, safe="/")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Applied to every value the template prints, so that none can be forgotten.
        finalize=_plain,
    )
    environment.filters["address"] = address
    environment.globals["short"] = _short
    return environment


def _plain(value: object) -> object:
    # Macros and safe blocks come as `Markup`, a kind of `str` whose parts went through here already.
    return visible(value) if type(value) is str else value


def _short(text: str, length: int = 240) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
