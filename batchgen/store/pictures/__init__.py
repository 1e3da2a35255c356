"""Pictures at rest, each under its key."""
