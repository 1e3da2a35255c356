import pytest

from batchgen.simulator.faults import Fault
from batchgen.simulator.settings import BadSettings, Settings, settings_from_json


def test_settings_survive_json():
    settings = Settings(latency_s=0.5, seed=3, faults=(Fault(kind="throttle", retry_after="soon", every=3),))
    assert settings_from_json(settings.to_json()) == settings


def test_what_is_not_given_has_its_default():
    assert settings_from_json('{"seed": 3}') == Settings(seed=3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"sed": 3}', "unknown option 'sed'"),
        ('{"faults": [{"kind": "hang", "rate": 1}]}', "unknown option 'rate'"),
        ('{"faults": [{"kind": "hung"}]}', "unknown fault 'hung'; known are .*hang, "),
        ('{"faults": [{"kid": "hang"}]}', "unknown option 'kid'; known are .*billed, "),
        ('{"faults": [{"kind": "bang"}]}', "bang"),
        ('{"seed": "three"}', "seed"),
        ('{"faults": 3}', "faults"),
        ("[]", "object"),
        ("{", "truncated"),
    ],
)
def test_settings_that_are_not_understood_say_why(text, words):
    with pytest.raises(BadSettings, match=words):
        settings_from_json(text)
