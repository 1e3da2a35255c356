"""The command line: words in, calls, events to the screen, errors to exit codes. It computes nothing itself."""
