"""What became of requests, for those who look: `/v2/traces`, `/v2/analytics/usage`.

`listing` and `trace` show requests, `spans` is how one is shown, `usage` adds them up,
`query` reads what is asked for.
"""
