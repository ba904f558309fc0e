"""The demo: simulated providers, told to fail while one watches.

`simulator` answers like a provider, `wires` has the formats, `faults` what can
go wrong; `server` is the process they run in. `scenario` is the gateway's
configuration that leads there, and `control` what `holdfast demo` does.
"""
