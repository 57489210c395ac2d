"""Networks: one architecture a file, each beside the blueprint that builds it."""
