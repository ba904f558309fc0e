"""Measures what the gateway costs, beside other gateways and a floor, on loopback."""
