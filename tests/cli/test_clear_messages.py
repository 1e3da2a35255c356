"""A message says what is wrong in the place where it is, once, and what to do about it."""

import base64

import pytest

from tests.program import run_here


@pytest.fixture
def told(tmp_path):
    """Run the program in the test's folder with these files; return the exit code and what it said to people."""

    def told(*words, **files):
        for name, content in files.items():
            path = tmp_path / name.replace("__", ".")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        done = run_here(tmp_path, *words)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    return told


CHECK = ("check", "job.csv", "--model", "test/test", "--provider", "simulator")


@pytest.mark.parametrize(
    "size", ["1024X1024", "1024×1024", "1024 x 1024", "1024*1024", "1024х1024", "1024x1024px", "1024 by 1024"]
)
def test_a_size_in_another_writing_has_the_right_one_beside_it(told, size):
    code, said = told(*CHECK, job__csv=f"prompt,size\na fox,{size}\n")
    assert code == 2
    assert f"found '{size}'; did you mean '1024x1024'?" in said


@pytest.mark.parametrize("size", ["16:9", "1024", "big", "0x0", "99999x1"])
def test_what_is_no_size_at_all_has_none_beside_it(told, size):
    assert "did you mean" not in told(*CHECK, job__csv=f"prompt,size\na fox,{size}\n")[1]


def test_a_file_without_a_header_is_asked_for_it(told):
    code, said = told(*CHECK, job__csv="a fox in snow,1024x1024\na mug on a table,512x512\n")
    assert code == 2
    assert (
        "no prompt is given (is the header missing? the first line has to name the columns, such as prompt,size" in said
    )


def test_a_file_in_utf_32_is_called_so(told):
    assert (
        "the file is UTF-32, not UTF-8 (save it as UTF-8)" in told(*CHECK, job__csv="prompt\na\n".encode("utf-32"))[1]
    )


def test_a_picture_inside_a_cell_may_be_as_large_as_any(told):
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(150_000)).decode()
    said = told(*CHECK, job__csv=f"prompt,image\na fox,data:image/png;base64,{picture}\n")[1]
    assert "unbalanced" not in said
    assert "characters" not in said
