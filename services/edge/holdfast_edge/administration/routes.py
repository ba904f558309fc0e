"""Where organizations and all that is theirs are served."""

from collections.abc import Iterator

from starlette.routing import Route

from holdfast.control.administration import Administration
from holdfast.ports import Budgets
from holdfast_edge.administration import collection, item
from holdfast_edge.administration.history import Compare, Generations, RollBack
from holdfast_edge.administration.kinds import KEYS, KINDS
from holdfast_edge.administration.rotation import Rotate
from holdfast_edge.administration.shelf import Shelf


def routes(administration: Administration, budgets: Budgets) -> Iterator[Route]:
    """Yield every route.

    Args:
        administration: Keeps resources.
        budgets: Says how much of them is spent.
    """
    shelf = Shelf(administration, budgets)
    rotate = f"{KEYS.places[0].path}/rotate"
    yield Route(rotate, Rotate(administration), methods=["POST"])
    for kind in KINDS:
        yield Route(
            kind.collection,
            collection.Collection(administration, shelf, kind),
            methods=collection.METHODS,
        )
        for place in kind.places:
            yield Route(
                place.path,
                item.Item(administration, shelf, kind, place),
                methods=["GET"] if place.by_name else item.METHODS,
            )
    at = "/v2/generations"
    yield Route(at, Generations(administration), methods=["GET"])
    yield Route(
        f"{at}/{{first}}/compare/{{second}}", Compare(administration), methods=["GET"]
    )
    yield Route(
        f"{at}/{{generation}}/rollback", RollBack(administration), methods=["POST"]
    )
