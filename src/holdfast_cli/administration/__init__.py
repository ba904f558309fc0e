"""`holdfast keys`, `aliases`, `policies` and so on: administration over HTTP.

One implementation for every kind of resource. `commands` says which commands there
are, `fields` makes options of a resource's fields, `calling` finds the gateway and
speaks to it, `printing` lays out what it answers.
"""
