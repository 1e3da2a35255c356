import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.manifest.template import Template, TemplateError, literal


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("no names", "no names"),
        ("", ""),
        ("{a}", "1"),
        ("{a}{b} and {a}", "12 and 1"),
        ("100 % {a} %s %(a)s", "100 % 1 %s %(a)s"),
        ("{{a}} {a}", "{a} 1"),
        ("{{{a}}}", "{1}"),
        ("100 %", "100 %"),
        ("{{ ''.__class__ }}", "{ ''.__class__ }"),
        ("{Prompt Text}", "3"),
        ("{größe}", "4"),
    ],
)
def test_names_are_replaced_and_nothing_else(text, rendered):
    assert Template(text).render({"a": "1", "b": "2", "Prompt Text": "3", "größe": "4"}) == rendered


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "}",
        "{}",
        "{ }",
        "{a",
        "a}",
        "{a}}",
        "{{a}",
        "{a.b}",
        "{a[0]}",
        "{a!r}",
        "{a:>5}",
        "{ a }",
        "{a()}",
        "{a\n}",
    ],
)
def test_what_is_no_template_says_where(text):
    with pytest.raises(TemplateError, match="at character"):
        Template(text)


def test_the_names_stand_once_in_the_order_they_are_used():
    assert Template("{b} {a} {b} {{c}}").names == ("b", "a")


def test_a_name_without_a_value_is_a_key_error():
    with pytest.raises(KeyError, match="b"):
        Template("{a}{b}").render({"a": "1"})


def test_a_value_is_never_a_template_itself():
    assert Template("{a}").render({"a": "{b} %s"}) == "{b} %s"


def test_a_template_survives_a_pickle():
    assert pickle.loads(pickle.dumps(Template("{a} {b}"))).render({"a": "1", "b": "2"}) == "1 2"


@given(st.text())
def test_any_text_can_be_written_as_a_template(text):
    assert Template(literal(text)).render({}) == text


@given(st.text(), st.text(), st.text())
def test_any_value_arrives_unchanged_between_any_texts(before, value, after):
    assert Template(f"{literal(before)}{{name}}{literal(after)}").render({"name": value}) == before + value + after


@given(st.text(alphabet="{}ab.! :%"))
def test_any_text_is_a_template_or_says_why_not(text):
    try:
        template = Template(text)
    except TemplateError:
        return
    template.render(dict.fromkeys(template.names, "x"))
