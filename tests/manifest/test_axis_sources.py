"""Axes whose values stand elsewhere: in a range, a file or a folder."""

import pytest

from batchgen.errors import ManifestError

SOUND = "defaults: {model: test/test}\nprompt: 'a {x} b'\n"


@pytest.fixture
def axis(load):
    """The titles and settings of the only axis of a job, as pairs."""

    def axis(text, prompt="a {x} b"):
        (only,) = load(f"defaults: {{model: m}}\nprompt: '{prompt}'\n{text}\n").axes
        return [(value.title, dict(value.settings)) for value in only.values]

    return axis


def test_a_range_is_written_out(axis):
    assert axis("matrix: {x: {from: 0.5, to: 1.5, step: 0.5}}") == [
        ("0.5", {"x": "0.5"}),
        ("1.0", {"x": "1.0"}),
        ("1.5", {"x": "1.5"}),
    ]


def test_a_text_gives_one_value_a_line(axis, write):
    write("styles.txt", "\ufeffink, loose\n\n  oil  \nno\n")
    assert [title for title, _ in axis("matrix: {x: {file: styles.txt}}")] == ["ink, loose", "oil", "no"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("looks.csv", "look,x\nphoto,35mm\nink,wet ink\n"),
        ("looks.tsv", "x\tlook\n35mm\tphoto\nwet ink\tink\n"),
        ("looks.jsonl", '{"x": "35mm", "look": "photo"}\n{"look": "ink", "x": "wet ink"}\n'),
    ],
)
def test_a_column_gives_the_values_and_another_their_titles(axis, write, name, content):
    write(name, content)
    assert [title for title, _ in axis(f"matrix: {{x: {{file: {name}}}}}")] == ["35mm", "wet ink"]
    titled = axis(f"matrix: {{x: {{file: {name}, column: x, title: look}}}}")
    assert titled == [("photo", {"x": "35mm"}), ("ink", {"x": "wet ink"})]


def test_the_only_column_needs_no_name_and_empty_cells_are_no_values(axis, write):
    write("a.csv", "whatever\none\n\ntwo\n")
    write("b.csv", "x,y\none,1\n,2\ntwo,3\n")
    assert [title for title, _ in axis("matrix: {x: {file: a.csv}}")] == ["one", "two"]
    assert [title for title, _ in axis("matrix: {x: {file: b.csv}}")] == ["one", "two"]


def test_a_folder_gives_its_files_in_order_titled_by_their_names(axis, write):
    for name in ("in/b.png", "in/a.png", "in/.hidden.png", "in/c.txt", "in/d.png/e"):
        write(name, "x")
    assert axis("matrix: {image: {files: in/*.png}}", prompt="p") == [
        ("a.png", {"image": "in/a.png"}),
        ("b.png", {"image": "in/b.png"}),
    ]


def test_files_of_one_name_are_titled_by_their_paths(axis, write):
    for name in ("in/1/a.png", "in/2/a.png", "in/2/3/b.png"):
        write(name, "x")
    titles = [title for title, _ in axis("matrix: {image: {files: 'in/**/*.png'}}", prompt="p")]
    assert titles == ["in/1/a.png", "in/2/3/b.png", "in/2/a.png"]


def test_members_of_a_zip_may_be_listed_too(axis, write):
    write("in/a.png", "x")
    write("in/b.png", "x")
    write("x.csv", "x,name\nmug,m\npot,p\n")
    made = axis("zip: [{x: {file: x.csv, title: name}, image: {files: in/*}, n2: {from: 2, to: 1}}]")
    assert made == [
        ("mug+in/a.png+2", {"x": "mug", "image": "in/a.png", "n2": "2"}),
        ("pot+in/b.png+1", {"x": "pot", "image": "in/b.png", "n2": "1"}),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{from: 1, to: 5, step: 0}", "matrix.x must have a step other than 0"),
        ("{from: 1, to: 5, stp: 1}", "unknown key 'stp' under matrix.x (did you mean 'step'?)"),
        ("{from: 1}", "matrix.x.to is missing"),
        ("{to: 1, step: 1}", "matrix.x.from is missing"),
        ("{from: , to: 1}", "matrix.x.from is empty"),
        ("{from: one, to: 1}", "matrix.x.from must be a number such as 4 or 0.25, found 'one'"),
        ("{from: 1e3, to: 1}", "found '1e3'"),
        ("{from: 0, to: 1000000}", "makes 1,000,001 values; 10,000 at most"),
        ("{file: nope.txt}", "nope.txt not found"),
        ("{file: [a.txt]}", "matrix.x.file must be a text, found a list"),
        ("{file: ../a.txt}", "matrix.x.file must lie inside the manifest's folder"),
        ("{file: /etc/hosts.txt}", "matrix.x.file must lie inside the manifest's folder"),
        ("{file: in}", "is of no known type"),
        ("{file: a.csv}", "'x' is no column of a.csv (its columns are 'look', 'name')"),
        ("{file: a.csv, column: lok}", "matrix.x.column: 'lok' is no column of a.csv (did you mean 'look'?)"),
        ("{file: a.csv, colum: look}", "unknown key 'colum' under matrix.x (did you mean 'column'?)"),
        ("{file: a.csv, column: look, title: name}", "matrix.x.title: 'n' stands at"),
        ("{file: a.csv, column: name, title: look}", "matrix.x.title: 'look' is empty for the value at"),
        ("{file: a.txt, column: look}", "matrix.x.column: is for a CSV, TSV or JSONL file"),
        ("{file: b.csv}", "matrix.x.column: 'x' holds no values"),
        ("{files: ../*}", "matrix.x.files must lie inside the manifest's folder"),
        ("{files: /etc/*}", "matrix.x.files must lie inside the manifest's folder"),
        ("{files: out/*}", "matrix.x.files must lie inside the manifest's folder"),
        ("{files: im/*.png}", "matrix.x.files matches no file: there is no folder"),
        ("{files: in/*.jpg}", "matches no file in"),
        ("{files: in/*.jpg}", "there are 'a.PNG', 'b.PNG'"),
        ("{files: in}", "must be a glob, and 'in' is a folder; write 'in/*'"),
        ("{files: ''}", "must be a glob such as inputs/*.png"),
    ],
)
def test_a_list_that_can_t_be_made_says_why_on_its_line(problems_of, write, tmp_path, text, said):
    write("a.csv", "look,name\n1,n\n2,n\n,m\n")
    write("b.csv", "x,y\n,1\n")
    write("a.txt", "a\n")
    write("in/a.PNG", "a")
    write("in/b.PNG", "a")
    (tmp_path / "out").symlink_to("/etc")
    told = problems_of(f"{SOUND}matrix:\n  x: {text}\n")
    assert told[0][0] == 4
    assert said in told[0][1]
    assert len(told) == 1


def test_a_wrong_value_of_a_file_is_told_where_it_stands_there(load, write):
    write("sizes.txt", "1x1\n\nbig\n1x1\n")
    with pytest.raises(ManifestError) as caught:
        load("defaults: {model: m}\nprompt: a\nmatrix: {size: {file: sizes.txt}}\n")
    told = [(one.place.rpartition("/")[2], one.message[:22]) for one in caught.value.problems]
    assert told == [("sizes.txt:3", "size must be 'auto' or"), ("sizes.txt:4", "size lists '1x1' twice")]


def test_the_rows_of_a_broken_file_are_told_where_they_stand_there(load, write):
    write("x.csv", "x,y\n1,2\n3\n")
    with pytest.raises(ManifestError, match=r"x\.csv:3: row 2 has 1 field, the header has 2"):
        load(f"{SOUND}matrix: {{x: {{file: x.csv}}}}\n")


def test_an_axis_that_could_not_be_read_is_not_missed_elsewhere_too(problems_of):
    assert len(problems_of("prompt: '{x}'\nmatrix: {x: [a], model: {file: models.txt}}\nexclude: [{model: b}]\n")) == 1


def test_titles_that_read_like_a_list_of_values_are_taken_for_one(problems_of):
    told = problems_of(f"{SOUND}matrix: {{x: {{from: here, there: two}}}}\n")
    assert any("unknown key 'there' under matrix.x" in text for _, text in told)
