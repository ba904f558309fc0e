"""OpenAI Responses, so that agents built on it call any model.

A request is translated to a chat here, and the chat's answer back. `request` reads,
`items` writes what a model gave as output items, `answer` and `stream` send them.
"""
