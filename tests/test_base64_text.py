import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.base64_text import decoded_base64

FORMS = {
    "plain": base64.b64encode,
    "in lines": base64.encodebytes,
    "in lines of a mail": lambda content: base64.encodebytes(content).replace(b"\n", b"\r\n"),
    "unpadded": lambda content: base64.b64encode(content).rstrip(b"="),
    "url-safe": base64.urlsafe_b64encode,
    "url-safe and unpadded": lambda content: base64.urlsafe_b64encode(content).rstrip(b"="),
}


@pytest.mark.parametrize("form", FORMS)
@given(content=st.binary(max_size=300))
def test_every_form_of_base64_gives_its_bytes_back(form, content):
    assert decoded_base64(FORMS[form](content)) == content


@pytest.mark.parametrize(
    "text", [b"?not base64?", b"aGk=aGk=", b"aGkaa", b"a", b"aG k\0", b"\xff\xd8", b"https://x/a.png"]
)
def test_what_is_no_base64_is_refused(text):
    with pytest.raises(ValueError):
        decoded_base64(text)
