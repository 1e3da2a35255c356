"""Whether a connection gives the answer to one post a second time, as proxies do that lost count of their requests."""

import zlib
from dataclasses import replace

from batchgen.provider.http.outgoing import Outgoing
from batchgen.provider.http.received import Content, Received


class RepeatCheck:
    """The posts of one connection, remembered by the checksums of the last one and of its answer."""

    def __init__(self) -> None:
        self._sent = self._answer = (0, 0)

    def __call__(self, sent: Outgoing, received: Received) -> Received:
        """Return ``received``, marked if it repeats the answer before it and ``sent`` does not repeat its post."""
        if sent.method != "POST":
            return received
        before_sent, before_answer = self._sent, self._answer
        self._sent, self._answer = _sum(sent.body), _sum(received.body)
        repeats = before_answer == self._answer and before_sent != self._sent and before_answer[0] > 0
        return replace(received, repeats=True) if repeats else received


def _sum(content: Content) -> tuple[int, int]:
    return len(content), zlib.crc32(content)
