"""The bars of a notebook where Jupyter's widgets are missing; with them, `tests/notebook` looks at real ones."""

from batchgen.cli import notebook_bars
from batchgen.cli.notebook_bars import NotebookBars, is_notebook, progress_bar
from batchgen.request import State
from batchgen.running.events import FinalStep, Notice, Progress


def progress(stored):
    return Progress(
        total=12,
        done_before=0,
        ended={State.STORED: stored},
        in_flight=1,
        billed_microusd=stored * 10_000,
        maybe_microusd=0,
        estimated_microusd=0,
        waits=(),
    )


def test_elsewhere_than_in_a_notebook_there_is_the_progress_of_the_command_line(capsys):
    assert not is_notebook()
    with progress_bar() as listen:
        listen(Notice("a word"))
    assert capsys.readouterr().err == "batchgen: a word\n"


def test_without_widgets_there_is_one_line_of_text_and_news_beside_it(monkeypatch, capsys):
    monkeypatch.setattr(notebook_bars, "find_spec", lambda name: None)
    bars = NotebookBars()
    bars.hear(Notice("the ledger {was} lost"))
    bars.hear(progress(3))
    bars.hear(progress(12))
    bars.hear(FinalStep("writing the report"))
    bars.close()
    said = capsys.readouterr().err
    assert "batchgen: the ledger {was} lost\n" in said
    assert "3/12 done · $0.03" in said
    assert "after the last answer: writing the report" in said
    assert said.rstrip().splitlines()[-1].rpartition("\r")[2].startswith("all ")
    assert "12/12 done · $0.12 · done" in said.rpartition("\r")[2]
