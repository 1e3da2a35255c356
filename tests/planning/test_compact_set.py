from hypothesis import given
from hypothesis import strategies as st

from batchgen.planning.compact_set import CompactSet
from batchgen.request import key_of, number_of


@given(st.lists(st.integers(0, 300)))
def test_keys_are_told_apart_as_a_set_would(numbers):
    known, seen = set(), CompactSet()
    for number in numbers:
        assert seen.add(f"{number:032x}"[::-1]) == (number not in known)
        known.add(number)


def test_ten_thousand_keys_are_still_told_apart():
    seen = CompactSet()
    keys = [key_of(b"%d" % number) for number in range(10_000)]
    assert all(seen.add(key) for key in keys)
    assert not any(seen.add(key) for key in keys)


def test_the_first_value_of_each_name_is_kept_while_the_table_grows():
    seen = CompactSet(with_values=True)
    names = [number_of(key_of(b"name %d" % number)) for number in range(10_000)]
    assert all(seen.first(name, number) is None for number, name in enumerate(names))
    assert [seen.first(name, 0) for name in names] == list(range(10_000))
