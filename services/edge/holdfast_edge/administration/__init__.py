"""Organizations and all that is theirs, over HTTP: one implementation for every kind.

`kinds` says what is served where. `collection` lists and makes, `item` shows,
changes and deletes, `rotation` gives a key another secret, `history` shows what
was done. Who may do what is decided behind the port.
"""
