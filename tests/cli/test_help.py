"""The help of the program and of each command, on a terminal of 80 columns."""

import re

import pytest

from batchgen.cli.app import app
from batchgen.errors import ExitCode

COMMANDS = [command.name for command in app.registered_commands]


def test_the_list_of_commands_cuts_no_sentence(batchgen):
    said = batchgen("--help").stdout.partition("Commands:\n")[2]
    assert "..." not in said
    assert all(re.search(rf"^  {name} +\S", said, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_what_its_exit_codes_mean_and_fits_the_terminal(batchgen, name):
    said = batchgen(name, "--help").stdout
    assert max(map(len, said.splitlines())) <= 80
    _, _, codes = said.partition("  Exit codes:\n")
    told = [int(code) for code in re.findall(r"^ +(\d+)  \S", codes, re.MULTILINE)]
    assert told == sorted(told)
    assert {ExitCode.OK, ExitCode.BUG} <= set(told) <= set(ExitCode)


def test_a_run_tells_of_every_code_there_is(batchgen):
    codes = batchgen("run", "--help").stdout.partition("Exit codes:")[2]
    assert {int(code) for code in re.findall(r"^ +(\d+)  ", codes, re.MULTILINE)} == {code.value for code in ExitCode}
