"""What a notebook shows of plans, forecasts and results: figures that are right, and foreign text that does nothing."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from batchgen import forecast, load_manifest, open_run, plan, run

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e & \"'"


class Elements(HTMLParser):
    """The names of all elements and attributes, and the texts between them."""

    def __init__(self, html):
        super().__init__()
        self.names, self.attributes, self.texts = set(), set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def job(tmp_path, simulator):
    path = tmp_path / "mugs.yaml"
    text = f"""\
provider: {{kind: simulator, base_url: "{simulator}"}}
prompt: "{{subject}}"
rows: [{{subject: mug}}, {{subject: {json.dumps(HOSTILE)}}}, {{subject: forbidden-by-simulator}}]
defaults: {{model: test/test, size: 64x64}}
"""
    path.write_text(text, encoding="utf-8")
    return path


def shown(value):
    found = Elements(value._repr_html_())
    assert found.names <= {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert found.attributes <= {"style"}
    text = " ".join(found.texts)
    assert "\u202e" not in text
    return re.sub(r"\s+", " ", text)


def test_a_plan_shows_its_requests_and_a_hostile_prompt_is_mere_text(job):
    text = shown(plan(job))
    assert "mugs: 3 requests" in text
    assert "<script>alert(1)</script>" in text
    assert "test/test 3" in text


def test_a_long_plan_shows_the_first_requests_and_how_many_more_there_are(job):
    manifest = load_manifest(job)
    job.write_text(f"{job.read_text('utf-8')}repeat: 4\n", encoding="utf-8")
    assert "more" not in shown(plan(manifest))
    assert "… and 7 more" in shown(plan(job))


def test_a_forecast_shows_prices_by_model(job, tmp_path):
    text = shown(forecast(job, folder=tmp_path / "out"))
    assert "3 requests, 3 new" in text
    assert "to pay: $0.00 expected" in text


def test_a_result_a_report_and_an_open_run_show_what_the_folder_holds(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("<b>out")
    result = run(job, folder=folder)
    text = shown(result)
    assert "<b>out" in text
    assert "exit code 1" in text
    assert "2 stored" in text
    assert "1 refused" in text
    assert "test/test 2/3" in text
    assert shown(result.report) in text
    assert shown(open_run(folder)) == shown(result.report)
    assert "2 stored" in shown(run(job, folder=folder))


def test_the_repr_of_a_result_is_short(job, tmp_path):
    assert len(repr(run(job, folder=tmp_path / "out"))) < 1500
