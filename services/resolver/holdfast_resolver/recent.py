"""What was counted of late, so that nothing told twice counts twice."""


class Recent:
    """Remembers what came last, in two generations of numbers.

    A number in place of what it stands for, and two sets in place of one in
    order: a quarter of the memory. That two things share a number happens once in
    thousands of years of heavy load.
    """

    __slots__ = ("_least", "_new", "_old")

    def __init__(self, least: int) -> None:
        """Remember the last `least` things, and up to as many again."""
        self._least = least
        self._new: set[int] = set()
        self._old: set[int] = set()

    def is_new(self, *thing: object) -> bool:
        """Tell whether a thing comes for the first time, and remember it."""
        number = hash(thing)
        if number in self._new or number in self._old:
            return False
        if len(self._new) >= self._least:
            self._old, self._new = self._new, set()
        self._new.add(number)
        return True
