"""Concepts: directions in a model's activations, and how much its answers follow them."""
