"""The one loop that learns."""
