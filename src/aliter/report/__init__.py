"""What a run shows: one page that opens anywhere, without a network."""
