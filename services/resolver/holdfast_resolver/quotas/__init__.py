"""What may be spent in a month, and sent in a minute, held across all replicas.

A quota is a name, a limit, a period and a unit: a budget in nanodollars for a
calendar month, a key's rate in requests or tokens for a minute. What is used up is
one entry of the store for a quota and a period, its `tally`. Each replica leases a
share of what is left, and spends it without asking anybody; only near a limit does
a call wait for the store.
"""
