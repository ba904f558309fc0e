"""The console: pages for people, served by the edge and made of its API alone.

`sessions` lets a browser in, `pages` serves what it shows. Nothing is loaded from
elsewhere, and nothing that a caller or a provider said becomes markup.
"""
