"""One class a format: how its cameras are read and written back for `--fix`."""
