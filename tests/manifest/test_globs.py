"""Axes made of the files that a glob matches: which, in which order, and what lies beside them."""

import pytest

JOB = "defaults: {model: m}\nprompt: p\n"


@pytest.fixture
def made(load, write):
    def made(*names, pattern="*.png"):
        for name in names:
            write(name, "x")
        manifest = load(f"{JOB}matrix: {{image: {{files: '{pattern}'}}}}\n")
        return [value.title for value in manifest.axes[0].values], [one.message for one in manifest.notices]

    return made


def test_ten_comes_after_two(made):
    assert made("10.png", "2.png", "1.png") == (["1.png", "2.png", "10.png"], [])


def test_pictures_and_prompts_of_a_zip_meet_in_the_order_people_count(load, write):
    for number in range(1, 12):
        write(f"{number}.png", "x")
    write("prompts.txt", "".join(f"prompt {number}\n" for number in range(1, 12)))
    text = "defaults: {model: m}\nprompt: '{p}'\nzip: [{image: {files: '*.png'}, p: {file: prompts.txt}}]\n"
    (axis,) = load(text).axes
    assert [value.title for value in axis.values] == [f"{number}.png+prompt {number}" for number in range(1, 12)]


def test_the_case_of_a_suffix_does_not_count(made):
    titles, told = made("a.PNG", "b.png", "c.Png", "C.JPG")
    assert titles == ["a.PNG", "b.png", "c.Png"]
    assert told == ["matrix.image: '*.png' takes 3 files, and leaves out 1 picture beside: C.JPG"]


def test_the_case_of_a_suffix_in_capitals_does_not_count_either(made):
    assert made("a.PNG", "b.png", pattern="*.PNG")[0] == ["a.PNG", "b.png"]


def test_pictures_left_out_are_told_in_one_notice_and_other_files_are_not(made):
    _, told = made(
        "in/1.png", "in/2.jpg", "in/3.webp", "in/4.HEIC", "in/10.jpg", "in/notes.txt", "x.jpg", pattern="in/*.png"
    )
    beside = "in/2.jpg, in/3.webp, in/4.HEIC, …"
    assert told == [f"matrix.image: 'in/*.png' takes 1 file, and leaves out 4 pictures beside: {beside}"]


def test_a_link_that_leads_nowhere_is_told_as_left_out(made, tmp_path):
    (tmp_path / "2.png").symlink_to("gone.png")
    assert made("1.png", "3.png") == (
        ["1.png", "3.png"],
        ["matrix.image: '*.png' takes 2 files, and leaves out 1 picture beside: 2.png"],
    )


def test_a_row_without_a_value_in_a_zip_is_told_since_all_others_move_up(load, write):
    write("x.csv", "x,y\none,1\n,2\ntwo,3\n")
    manifest = load("defaults: {model: m}\nprompt: '{x}'\nzip: [{x: {file: x.csv}, n2: {from: 1, to: 2}}]\n")
    (told,) = manifest.notices
    assert told.message == "zip.0.x: 1 row has no value in x.csv, and the values after that move up"
    assert told.place.endswith(":3")
