"""Many requests of every kind for a long while: whether anything grows."""
