"""What a config can name: a folder per family, a file per method; a method sees probes, callables and arrays."""
