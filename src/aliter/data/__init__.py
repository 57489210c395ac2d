"""What is on disk, and images drawn by rule."""
