"""Anthropic Messages, so that its SDK and the agents built on it call any model.

A request is translated to a chat here, and the chat's answer back: planning,
failover, policy and traces are those of every chat. `request` reads, with `wishes`
and `values`; `answer` and `stream` write; `carried` is what a conversation brings
back that only others understand.
"""
