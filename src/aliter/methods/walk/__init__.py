"""Walks: one knob turns, and the image and the model's answer change."""
