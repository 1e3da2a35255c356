"""The run folder on disk: its paths, its lock, its free space, and atomic writes."""
