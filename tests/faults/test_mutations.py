"""Each rule that holds the promise is taken out of a copy of the program, and a test has to notice."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.tracing import needs_strace

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Edit:
    """``old`` in ``file`` became ``new``."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutation:
    """One rule that is gone by all its ``edits``, and the tests that ``notice`` names turn red."""

    notice: str
    edits: list[Edit]


DURABLE = "tests/faults/test_disk.py -k test_each_step_is_durable_before_the_next_one_refers_to_it"
READ = "            content = inflated(sent, received)\n"
SYNC = "os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)\n    try:\n        os.fsync(handle)\n"
COMMIT = '            self._db.execute("COMMIT")\n'

MUTATIONS = {
    "commits that a power cut undoes": Mutation(
        DURABLE, [Edit("store/ledger/schema.py", "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL")]
    ),
    "folders that are never synced": Mutation(
        DURABLE, [Edit("store/folder/atomic.py", SYNC, SYNC.replace("os.fsync(handle)", "return"))]
    ),
    "an intent that is committed after its request was sent": Mutation(
        DURABLE,
        [
            Edit(
                "store/ledger/writer.py",
                COMMIT,
                "            import time\n            for write in group:\n"
                f"                anyio.from_thread.run_sync(write.done.set)\n            time.sleep(0.1)\n{COMMIT}",
            )
        ],
    ),
    "costs that are no finite number": Mutation(
        "tests/faults/test_money.py -k test_a_cost_that_is_no_cost_counts_as_its_estimate_and_is_flagged",
        [
            Edit("provider/cost.py", "if bare[:1].isdigit() else None", "if True else None"),
            Edit(
                "money.py", "if not amount.is_finite() or amount < 0 or amount.adjusted() > 12:", "if amount.is_nan():"
            ),
        ],
    ),
    "a paid post that follows a redirect": Mutation(
        "tests/faults/test_answers.py -k test_a_paid_post_is_never_sent_on_to_where_the_service_redirects",
        [
            Edit(
                "provider/http_client.py",
                READ,
                "            if 300 <= received.status < 400:\n"
                "                named = {name.lower(): value for name, value in received.headers}\n"
                '                there = named[b"location"].decode()\n'
                '                request = httpx.Request("POST", there, headers=self._headers, content=body.content)\n'
                "                response = await self._engine.handle_async_request(request)\n"
                "                received = replace(received, status=response.status_code, body=response.content)\n"
                f"{READ}",
            )
        ],
    ),
}


@needs_strace
@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_rule_that_is_gone_is_noticed(name, tmp_path):
    mutation = MUTATIONS[name]
    for folder in ("batchgen", "tests"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    for edit in mutation.edits:
        file = tmp_path / "batchgen" / edit.file
        text = file.read_text(encoding="utf-8")
        assert text.count(edit.old) == 1, "the rule is written in another way now"
        file.write_text(text.replace(edit.old, edit.new), encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutation.notice.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    # 1 is a test that failed; an error of ours while they are collected has a code of its own.
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "1 failed" in ended.stdout
