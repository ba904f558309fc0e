"""Decides where a request may run and in which order to try."""
