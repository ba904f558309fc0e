"""GET /docs: the description of what is served, for people, with everything to try.

A page, a style sheet and scripts of our own. They load nothing from elsewhere, and
the browser is told to let them load nothing from elsewhere.
"""

from collections.abc import Iterator

from starlette.routing import Route

from holdfast_edge.page_files import PageFile

_FILES = ("page.css", "page.js", "elements.js", "schema.js", "trying.js")


def routes() -> Iterator[Route]:
    """Yield every route."""
    yield Route("/docs", PageFile(__name__, "page.html", "docs"), methods=["GET"])
    for name in _FILES:
        yield Route(f"/docs/{name}", PageFile(__name__, name, "docs"), methods=["GET"])
