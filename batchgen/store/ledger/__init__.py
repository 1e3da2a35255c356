"""The SQLite file: its schema, its writer, every transition, and those who read it."""
