"""What a resource has to be, by itself and to everything else there is.

`shape` checks it by itself. `names`, `scopes`, `keys`, `guardrails` and `amounts` check
it against the rest, each for the kinds that `checks` lists them for. `endpoints` is
about custom models alone, and looks a name up: it comes before the edit.
"""
