"""What administrators make and change while the gateway runs.

`records` and `state` are what is kept, `history` what became of it, `declared`
what the configuration file says of the same things. `authorization` says who may
do what, `validation` what a resource has to be, and `service` does it. Where it
is kept is `holdfast_resolver.etcd_control`; what it leads to for callers is
`holdfast_resolver.tenants`.
"""
