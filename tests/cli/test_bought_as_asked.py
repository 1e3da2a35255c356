"""What is bought is what was asked for: a check that says `no mistakes` and then buys something else costs money."""

import pytest

from tests.program import run_here

MODEL = ("--model", "test/test", "--provider", "simulator")


@pytest.fixture
def check(tmp_path):
    """Check a manifest with this content; return the exit code and all that was said."""

    def check(content, *words, file="job.csv"):
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        done = run_here(tmp_path, "check", file, *(words if file.endswith(".yaml") else (*MODEL, *words)))
        assert not (tmp_path / "outputs").exists()
        return done.returncode, done.stdout + done.stderr

    return check


HEADER = "prompt,Image,Size,Quality,Repeat,id\nmake it night,a.png,1024x1536,low,3,1\n"


def test_a_header_in_capitals_does_not_buy_pictures_from_words_alone(check):
    code, said = check(HEADER)
    assert code == 2
    for column in ("Image", "Size", "Quality", "Repeat"):
        assert f"job.csv:1: the column '{column}' reads like the parameter '{column.lower()}'" in said
    assert "(rename it to 'size'; if it is a column of your own: `columns: [Size]`, or --columns Size)" in said


def test_columns_that_are_meant_stay_columns(check):
    assert check(HEADER, "--columns", "Image,Size", "--columns", "Quality,Repeat")[0] == 0
    rows = "rows: [{prompt: a, Size: xl}]\n"
    assert check(f"{rows}defaults: {{model: m}}\n", file="job.yaml")[0] == 2
    assert check(f"{rows}columns: [Size]\ndefaults: {{model: m}}\n", file="job.yaml")[0] == 0


def test_a_column_that_the_prompt_is_made_of_is_no_mistake(check):
    assert check("Prompt,id\na fox,1\n", "--prompt", "{Prompt}, oil on canvas")[0] == 0


def test_a_typing_error_in_the_header_is_told_with_the_nearest_name(check):
    code, said = check("prompt,siez,qualty,modle\na fox,512x512,low,x/y\n")
    assert code == 2
    assert "'siez' reads like the parameter 'size'" in said
    assert "'modle' reads like the parameter 'model'" in said
    assert "the column 'qualty' is not sent (did you mean 'quality'?" in said


@pytest.mark.parametrize(
    ("column", "advice"),
    [("n", "a column"), ("seed", "takes no seed"), ("aspect_ratio", "give 'size'"), ("image_url", "give 'image'")],
)
def test_a_parameter_of_another_service_is_told_and_stops_nothing(check, column, advice):
    code, said = check(f"prompt,{column}\na fox,1\n")
    assert code == 0
    assert f"warning: job.csv:1: the column '{column}' is not sent" in said
    assert advice.removeprefix("a column") in said
    assert "warning" not in check(f"prompt,{column}\na fox,1\n", "--columns", column)[1]


def test_the_columns_of_json_lines_are_looked_at_too(check):
    code, said = check('{"prompt": "a"}\n{"prompt": "b", "Size": "1x1", "n": 2}\n', file="job.jsonl")
    assert code == 2
    assert "job.jsonl:2: row 2: the column 'Size' reads like the parameter 'size'" in said


def test_a_letter_that_only_looks_latin_is_named(check):
    assert "(with U+0455 CYRILLIC SMALL LETTER DZE)" in check("prompt,\u0455ize\na fox,1x1\n")[1]


SUBJECTS = "rows: [{subject: fox, style: ink}, {subject: mug, style: oil}]\ndefaults: {model: m}\n"


def test_double_braces_do_not_buy_the_same_words_for_every_row(check):
    code, said = check('prompt: "{{subject}}, {{ style }}"\n' + SUBJECTS, file="job.yaml")
    assert code == 2
    assert "job.yaml:1: prompt writes {subject} in braces instead of filling in 'subject'" in said
    assert "write {style} with one brace on each side" in said
    assert check('meant: [braces]\nprompt: "{{subject}}, {{ style }}"\n' + SUBJECTS, file="job.yaml")[0] == 0


def test_braces_in_a_cell_are_not_filled_and_told_once(check):
    table = 'prompt,style\n"a fox, {style}",ink\n"a mug, {style}",oil\n'
    code, said = check(table)
    assert code == 2
    assert said.count("is not filled") == 1
    assert "job.csv:2: rows 1, 2: {style} in the cell of 'prompt' is not filled: only a template is" in said
    assert check(table, "--meant", "braces")[0] == 0


def test_braces_round_other_words_are_text(check):
    assert check('prompt,style\n"a sign that says {open}",ink\n')[0] == 0
    assert check('prompt: "{subject} {{and so on}}"\n' + SUBJECTS, file="job.yaml")[0] == 0


def test_a_template_without_names_does_not_replace_the_rows_own_prompts(check):
    code, said = check("prompt,id\na fox,1\na mug,2\n", "--prompt", "a cat")
    assert code == 2
    assert "--prompt: this prompt names no column, so every row has the same one" in said
    assert check("prompt,id\na fox,1\na mug,2\n", "--prompt", "a cat", "--meant", "prompts")[0] == 0
    assert check('{"prompt": "a fox"}\n', "--prompt", "a cat", file="job.jsonl")[0] == 2


def test_a_template_that_leaves_the_rows_prompts_out_is_told(check):
    code, said = check("prompt,subject\na fox,b\n", "--prompt", "{subject}, ink")
    assert code == 0
    assert "warning: --prompt: the rows have prompts of their own, and the template uses none of them" in said


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("prompt: a poster in colour #ff0000 of a fox\ndefaults: {model: m}\n", "#ff0000 of a fox"),
        ("prompt: '{style}'\nrows:\n- style: bottle # 5\ndefaults: {model: m}\n", "# 5"),
        ("prompt: 'a fox{tint}'\nrows:\n- tint: #ff0000\ndefaults: {model: m}\n", "#ff0000"),
        (
            "prompt: '{style}'\nmatrix:\n  style:\n    red: in #ff0000 all over\ndefaults: {model: m}\n",
            "#ff0000 all over",
        ),
    ],
)
def test_a_comment_does_not_cut_a_prompt(check, text, lost):
    code, said = check(text, file="job.yaml")
    assert code == 2
    assert f"'{lost}' is left out (put the whole text in quotes; if it is meant: `meant: [comments]`" in said


@pytest.mark.parametrize(
    "text",
    [
        "prompt: a fox  # the first one\ndefaults: {model: m} # cheap\n",
        "prompt: 'a poster in #ff0000' #red\ndefaults: {model: m}\n",
        "prompt: a fox\nrepeat: 2 #pictures\ndefaults:\n  model: m #cheap\n",
        "prompt: a poster in colour #ff0000\nmeant: [comments]\ndefaults: {model: m}\n",
    ],
)
def test_a_comment_is_one(check, text):
    assert check(text, file="job.yaml")[0] == 0


def test_an_error_of_a_spreadsheet_is_no_prompt(check):
    words = ["#NAME?", "#REF!", "#N/A", "nan", "None", "[object Object]", "Loading..."]
    code, said = check("prompt,id\na fox,0\n" + "".join(f"{word},1\n" for word in words))
    assert code == 2
    for row, word in enumerate(words, 2):
        assert f"job.csv:{row + 1}: row {row}: the prompt is '{word}'" in said


@pytest.mark.parametrize("cell", ["", "nan", "#REF!"])
def test_a_missing_value_is_not_put_into_a_prompt(check, cell):
    table = f"subject,style\nfox,ink\nmug,{cell}\ncup,{cell}\n"
    code, said = check(table, "--prompt", "{subject}, {style}")
    assert code == 2
    assert f"job.csv:3: rows 2, 3: 'style' is {repr(cell) if cell else 'empty'}, and a template uses {{style}}" in said
    assert check(table, "--prompt", "{subject}, {style}", "--meant", "empty-values")[0] == 0
    assert check(table, "--prompt", "{subject}")[0] == 0


def test_a_missing_value_of_an_axis_is_told_at_its_line(check):
    code, said = check(
        'prompt: "a fox, {style}"\nmatrix:\n  style:\n  - ink\n  - ""\ndefaults: {model: m}\n', file="job.yaml"
    )
    assert code == 2
    assert "job.yaml:5: matrix.style.1 is empty, and a template uses {style}" in said


def test_a_letter_that_an_encoding_lost_is_not_sent(check):
    code, said = check("prompt,id\ncaf\ufffd,1\n")
    assert code == 2
    assert "job.csv:2: row 1: 'prompt' holds U+FFFD at character 4, which stands for a letter that was lost" in said
    assert check("prompt,id\ncaf\ufffd,1\n", "--meant", "lost-letters")[0] == 0


def test_double_encoded_text_is_told_with_what_was_meant(check):
    code, said = check("prompt,id\ncafÃ© at night,1\n")
    assert code == 0
    assert (
        "'prompt' looks like UTF-8 that was read in another encoding: 'cafÃ© at night' (was 'café at night' meant?)"
        in said
    )


def test_a_row_that_repeats_the_header_is_not_bought(check):
    code, said = check("prompt,id\na fox,1\nprompt,id\na mug,2\nprompt,id\n")
    assert code == 2
    assert "job.csv:3: rows 2, 4: this row repeats the header" in said


def test_a_cell_that_swallowed_rows_is_told(check):
    code, said = check('prompt,style,id\n"a fox,ink,1\na mug,oil,2\na cup",ink,3\n')
    assert code == 0
    assert "warning: job.csv:2: row 1: the cell of 'prompt' holds whole rows of the table" in said


def test_quotes_behind_a_blank_are_not_sent(check):
    table = 'prompt,style\na fox, "ink"\na mug, photo\n'
    code, said = check(table, "--prompt", "{prompt}, {style}")
    assert code == 2
    assert "job.csv:2: row 1: 'style' begins with a blank before its quote" in said
    assert check(table, "--prompt", "{prompt}, {style}", "--meant", "quotes")[0] == 0


def test_an_unknown_kind_of_mistake_can_not_be_meant(check):
    code, said = check("prompt\na\n", "--meant", "brace")
    assert code == 2
    assert "did you mean 'braces'?" in said


def test_n_among_the_defaults_is_refused_with_the_way_to_ask_for_more(check):
    code, said = check("prompt: a fox\ndefaults: {model: m, n: 4}\n", file="job.yaml")
    assert code == 2
    assert "'n' is no request parameter, and no template uses it (use 'repeat:' for more pictures)" in said


def test_an_empty_cell_of_the_prompt_is_told_once_with_its_rows(check):
    code, said = check("prompt,size,id\na fox,1024x1024,1\n,,2\n,,3\n")
    assert code == 2
    assert said.count("prompt") == 2
    assert "job.csv:3: rows 2, 3: the cell of 'prompt' is empty (write a prompt there, or delete the row)" in said


@pytest.mark.parametrize("mark", ["${style}", "$style", "%(style)s", "<style>", "[style]"])
def test_the_marks_of_another_program_s_templates_are_told(check, mark):
    code, said = check(f'prompt: "{{subject}} {mark}"\n' + SUBJECTS, file="job.yaml")
    assert code == 0
    assert f"warning: job.yaml:1: prompt holds '{mark}', whose marks stay in the text (write {{style}}" in said


def test_warnings_are_told_beside_the_mistakes(check):
    said = check("prompt,n\ncafÃ© at night,1\ncaf\ufffd,2\n")[1]
    assert "U+FFFD" in said
    assert "was 'café at night' meant?" in said
    assert "the column 'n' is not sent" in said
