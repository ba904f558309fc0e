"""Sends every endpoint of a whole gateway what its description allows and forbids."""
