"""What stands in images/ of a customer's folder, told by the pictures of the shop."""

import json

from batchgen.commands.verify import verify
from batchgen.store.dataset.metadata import write_dataset
from batchgen.store.ledger.records import snapshot
from tests.running.shop import PICTURES

NAMED = {"path": "icons/{icon}"}


def rows(**prompts):
    """A row for each icon."""
    return [{"icon": icon, "prompt": prompt} for icon, prompt in prompts.items()]


def pictures(me):
    """The names below images/ and the number of the picture each shows."""
    files = (path for path in me.folder.images.rglob("*.*") if path.suffix in {".png", ".jpg"})
    return {path.relative_to(me.folder.images).as_posix(): PICTURES.index(path.read_bytes()) for path in files}


def at_rest(me):
    """The pictures under their keys, as the numbers they have in the shop."""
    return sorted(PICTURES.index(path.read_bytes()) for path in me.folder.pictures.glob("*/*.*"))


def metadata(me):
    write_dataset(me.folder)
    return [json.loads(line) for line in (me.folder.root / "metadata.jsonl").read_text().splitlines()]


def differences(me):
    return [finding.difference for finding in verify(me.folder, read_data=True)]


def states_of_names(me):
    with snapshot(me.folder.ledger) as db:
        return dict(db.execute("SELECT substr(file, 8), state FROM names"))


def notices(me):
    from batchgen.running.events import Notice

    return [event.message for event in me.events if isinstance(event, Notice)]
