"""Pure functions of arrays: no state, no config, no files."""
