"""Names of a Batch file that stand for more than one request."""

import json

from batchgen.planning.plan import make_plan


def batch(*lines):
    bodies = [(name, {"model": "m", "prompt": prompt}) for name, prompt in lines]
    url = "/v1/images/generations"
    return "".join(json.dumps({"custom_id": name, "url": url, "body": body}) + "\n" for name, body in bodies)


def told(load, text):
    warnings = make_plan(load(text, file="b.jsonl")).warnings
    return [f"{one.place.rpartition('/')[2]}: {one.message}" for one in warnings]


def test_a_name_with_two_prompts_is_told_at_its_line(load):
    assert told(load, batch(("r1", "a fox"), ("r2", "a cup"), ("r1", "a mug"))) == [
        "b.jsonl:3: custom_id 'r1' names another request at line 1"
    ]


def test_a_line_that_stands_twice_is_no_news(load):
    assert told(load, batch(("r1", "a fox"), ("r1", "a fox"), ("r2", "a fox"))) == []


def test_many_such_names_are_counted(load):
    found = told(load, batch(*(("r1", f"a fox {number}") for number in range(9))))
    assert len(found) == 4
    assert found[-1].startswith("b.jsonl: 5 more lines name another request")
