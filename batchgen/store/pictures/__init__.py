"""Where pictures rest, each under its key."""
