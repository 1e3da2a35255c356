"""The command line: reads options, calls the package, shows events and turns errors into exit codes."""
