"""What asks a process to stop."""

import signal

STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""Signals that ask for a stop; clusters send the last one before a time limit."""
