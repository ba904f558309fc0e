"""Carries out a plan: calls its deployments in order until one answers."""
