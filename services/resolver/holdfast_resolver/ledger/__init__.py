"""What became of every request, kept in SQL: history, usage and cost.

`journal` takes note on the request's path and writes off it, `stores` are the
databases it can be in, `service` answers those who look.
"""
