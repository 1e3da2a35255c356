"""A Jupyter kernel as people have one: its own process, with a running event loop."""

import queue
import time
from contextlib import contextmanager

from jupyter_client.manager import KernelManager

_ANSWERS_WITHIN_S = 60


class Kernel:
    """A kernel whose cells are run one after the other."""

    def __init__(self, manager, client):
        self._manager = manager
        self._client = client

    def interrupt(self):
        """Do what the square button of a notebook does."""
        self._manager.interrupt_kernel()

    def run(self, code, *, on_line=lambda line: None):
        """Run a cell; return its text output and the HTML it displays. Raise AssertionError for a cell that fails.

        ``on_line`` hears each line of output as it comes.
        """
        asked = self._client.execute(code)
        text, html, within = "", [], time.monotonic() + _ANSWERS_WITHIN_S
        while True:
            assert time.monotonic() < within, f"the cell does not end; so far: {text}"
            try:
                message = self._client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                text += content["text"]
                for line in content["text"].splitlines():
                    on_line(line)
            elif kind in {"execute_result", "display_data"}:
                html.append(content["data"].get("text/html", ""))
            elif kind == "error":
                raise AssertionError(f"{content['ename']}: {content['evalue']}\n{text}")
            elif kind == "status" and content["execution_state"] == "idle":
                return text, "".join(html)


@contextmanager
def kernel(folder):
    """Start a kernel in ``folder`` and yield it; it ends with the block."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=_ANSWERS_WITHIN_S)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
