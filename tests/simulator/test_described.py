"""docs/simulator.md has every name that can be switched on, and says of each error whether it is billed."""

import dataclasses
import re
from typing import get_args

import msgspec
import pytest
import yaml

from batchgen.simulator.error_answers import ERRORS
from batchgen.simulator.faults import CHOICES, Fault, FaultKind, Transfer
from batchgen.simulator.settings import Settings, settings_from_json
from tests.documents import ROOT
from tests.program import run_here

TEXT = (ROOT / "docs/simulator.md").read_text(encoding="utf-8")
QUOTED = {*re.findall(r"`([a-z0-9_]+)`", TEXT)}


@pytest.mark.parametrize("option", sorted(CHOICES))
def test_every_choice_is_in_the_document(option):
    assert {*CHOICES[option]} <= QUOTED


def test_every_kind_and_every_option_is_in_the_document():
    assert {*get_args(FaultKind)} <= QUOTED
    assert {*get_args(Transfer)} - {""} <= QUOTED
    assert {field.name for field in dataclasses.fields(Settings)} <= QUOTED
    options = {field.name for field in dataclasses.fields(Fault)} - {"kind", "billed", "error"}
    assert options <= QUOTED


def test_the_document_marks_the_errors_that_are_billed():
    marked = {*re.findall(r"`([a-z0-9_]+)` †", TEXT)}
    assert marked == {name for name, answer in ERRORS.items() if answer.billed}


def test_the_list_on_the_command_line_has_every_name(tmp_path):
    listed = run_here(tmp_path, "simulate", "--list-faults").stdout
    for names in (*CHOICES.values(), get_args(FaultKind)):
        assert {*names} <= {*re.findall(r"[a-z0-9_]+", listed)}
    assert re.search(r"litellm_502 +502 +billed", listed)
    assert re.search(r"quota_openai +429$", listed, re.MULTILINE)


def test_settings_of_the_document_s_manifest_are_understood():
    (text,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    settings = settings_from_json(msgspec.json.encode(yaml.safe_load(text)["provider"]["simulator"]))
    assert len(settings.faults) == 3
