"""A run folder as a disk of its own, whose size can change while a program writes to it."""

import os
import subprocess


class Disk:
    """A tmpfs at ``place``; ``mounted`` is false where mounting is not allowed."""

    def __init__(self, place):
        self._place = place
        self.mounted = self._mount("-t", "tmpfs", "-o", "size=1g", "tmpfs")

    def shrink(self, room_bytes):
        """Leaves so much room."""
        # A disk can't become smaller than what a program has just written.
        assert any(self._mount("-o", f"remount,size={self._used() + room_bytes}") for _ in range(50))

    def grow(self):
        self.remount("size=1g")

    def remount(self, options):
        assert self._mount("-o", f"remount,{options}")

    def close(self):
        if self.mounted:
            # Pages may still be held for a moment by a process that was killed.
            subprocess.run(["umount", "-l", self._place], check=True)

    def _used(self):
        found = os.statvfs(self._place)
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    def _mount(self, *words):
        return subprocess.run(["mount", *words, self._place], capture_output=True, check=False).returncode == 0
