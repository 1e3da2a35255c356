"""The notebook of the documents, run by a real kernel from its first cell to its last."""

import shutil

import nbformat
import pytest
from nbclient import NotebookClient

from tests.documents import ROOT, blocks
from tests.notebook.kernels import kernel

NOTEBOOK = ROOT / "docs/notebook.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "jobs", folder / "jobs")
    (folder / "docs").mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(folder / "docs")}}).execute()
    return folder, notebook


def outputs(notebook, kind):
    return [
        output["data"][kind]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if kind in output.get("data", {})
    ]


def test_the_notebook_is_kept_without_outputs_and_without_the_traces_of_a_machine():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


def test_every_cell_runs_and_twelve_pictures_are_there(executed):
    folder, notebook = executed
    assert len(list((folder / "outputs/notebook/images").rglob("*.webp"))) == 12
    shown = "".join(outputs(notebook, "text/html"))
    assert "quickstart: 12 requests" in shown
    assert "12 requests, 12 new" in shown
    assert "exit code 0" in shown
    assert outputs(notebook, "image/webp") or outputs(notebook, "image/png")


def test_the_run_shows_bars_that_end_full(executed):
    _, notebook = executed
    widgets = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    bars = [one["state"] for one in widgets.values() if one["model_name"] == "FloatProgressModel"]
    assert bars
    assert all(bar["value"] == bar["max"] for bar in bars)
    said = " ".join(one["state"]["value"] for one in widgets.values() if one["model_name"] == "HTMLModel")
    # The widget keeps blanks by taking others.
    assert "12/12 done" in said.replace("\u2007", " ")


def test_the_programs_of_the_page_on_python_run_in_one_kernel_from_top_to_bottom(tmp_path):
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")
    programs = [program for _, program in blocks("docs/python.md", "python")]
    assert programs
    with kernel(tmp_path) as notebook:
        said = [notebook.run(program)[0] for program in programs]
    assert "12 new" in said[0]
    assert any("0 None" in text for text in said)
