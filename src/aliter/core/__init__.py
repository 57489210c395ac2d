"""The nouns that cross rooms; imports nothing else of aliter."""
