"""Whether an answer has the form that was asked for, and what it is without the rest.

Compiled schemas are kept, as long as there is room. The libraries are loaded with the
first request that needs them: most processes never see one.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.errors import RequestMalformedError
from holdfast_executor.structured.apart import (
    Apart,
    Finding,
    Job,
    TooLongError,
)
from holdfast_executor.structured.bounds import UNKNOWN, Bounds, bounds_of
from holdfast_executor.structured.json_text import (
    MOST_DEPTH,
    NoJsonError,
    chosen,
    depth,
    none_in_it,
    values,
)
from holdfast_executor.structured.violations import (
    TOO_DEEP,
    PatternError,
    SchemaError,
    Unfit,
    Violation,
    unfit,
)
from holdfast_executor.structured.wish import Kind, Wish
from holdfast_executor.structured.xml_answer import ANSWER, MOST_PARTS, json_of

if TYPE_CHECKING:
    from holdfast_executor.structured.json_schema import JsonSchema

_MOST_CHARACTERS = 2_000_000
"""Of an answer that is checked: half a million tokens, above what models write."""

_MOST_KEPT_BYTES = 8 * 1024 * 1024
_LEAST_BYTES = 2_048
"""Of the schemas that are kept compiled, and what the smallest counts as: compiled,
each takes some ten times that."""

_MOST_WIDE = 50_000
"""Objects and arrays in an answer that is read in place, in 20 ms."""

_MOST_READ = 20_000
"""Elements of XML that are read in place, each once for each part of a schema that may
be about it: 20 ms."""

_OBJECT = b'{"type":"object"}'


_NO_OBJECT = (Violation("", "type", "it is no JSON object"),)
_TOO_LONG = (Violation("", "time", "it takes too long to check"),)


@dataclass(frozen=True, slots=True)
class _Known:
    """A schema that answers can be checked against.

    Attributes:
        compiled: None for one that is always checked apart.
        bounds: What that costs.
        size: Of the schema, in bytes.
    """

    compiled: JsonSchema | None
    bounds: Bounds
    size: int


class Checker:
    """Checks answers."""

    def __init__(self, apart: Apart | None = None) -> None:
        """Begin with no schema known.

        Args:
            apart: Checks what may take long. None: with the usual limits.
        """
        self._apart = apart or Apart()
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._kept_bytes = 0

    async def prepare(self, wish: Wish) -> None:
        """Make sure that answers can be checked.

        Raises:
            RequestMalformedError: The caller's schema is none.
        """
        if not wish.schema:
            return
        try:
            await self._schema(wish)
        except SchemaError as error:
            raise RequestMalformedError(
                f"`{wish.field}` is no schema that answers can be checked against: "
                f"{error.message}.",
                field=wish.field,
            ) from error
        except TooLongError as error:
            raise RequestMalformedError(
                f"`{wish.field}` takes too long to compile.", field=wish.field
            ) from error

    async def check(self, wish: Wish, text: str) -> str | Unfit:
        """Return an answer without what stands around it, or what is wrong with it.

        Args:
            wish: What was asked for. It has been prepared.
            text: What the model wrote.
        """
        if len(text) > _MOST_CHARACTERS:
            return unfit("size", "it is too long", final=True)
        if not text.strip():
            return unfit("empty", "there is nothing in it")
        if wish.kind is Kind.XML or wish.via_xml:
            found = await self._xml(wish, text)
        else:
            found = await self._json(wish, text)
        if isinstance(found, str):
            return found
        return Unfit(found, text)

    async def _json(self, wish: Wish, text: str) -> str | tuple[Violation, ...]:
        if text.count("{") + text.count("[") > _MOST_WIDE:
            job = Job(wish.schema or _OBJECT, formats=wish.strict, text=text)
            judged = await self._found_apart(job)
            return judged.violations or judged.text
        fitting: list[tuple[str, Any]] = []
        wrong: tuple[Violation, ...] = ()
        try:
            for candidate, value in values(text):
                found = await self._violations(wish, candidate, value)
                if not found:
                    fitting.append((candidate, value))
                wrong = wrong or found
                if found == _TOO_LONG:
                    return found
        except NoJsonError as error:
            return none_in_it(error)
        return chosen(fitting, wrong)

    async def _violations(
        self, wish: Wish, text: str, value: Any
    ) -> tuple[Violation, ...]:
        deepest = depth(value)
        if deepest > MOST_DEPTH:
            return (TOO_DEEP,)
        if wish.kind is Kind.OBJECT:
            return () if isinstance(value, dict) else _NO_OBJECT
        found = await self._in_place(wish, text, value, deepest)
        if found is None:
            job = Job(wish.schema, formats=wish.strict, text=text)
            return (await self._found_apart(job)).violations
        return found

    async def _in_place(
        self, wish: Wish, text: str, value: Any, deepest: int
    ) -> tuple[Violation, ...] | None:
        """Say what is wrong with a value; None if that may take long."""
        known = await self._schema(wish)
        if known.compiled and known.bounds.allow(text, deepest):
            if known.compiled.takes(value):
                return ()
            if known.bounds.allow_telling(text, deepest):
                return known.compiled.violations(value)
        return None

    async def _xml(self, wish: Wish, text: str) -> str | tuple[Violation, ...]:
        parts = min(MOST_PARTS, wish.schema.count(b"{")) if wish.via_xml else 1
        is_xsd = bool(wish.schema) and not wish.via_xml
        if is_xsd or text.count("<") * parts > _MOST_READ:
            job = Job(wish.schema, wish.root or ANSWER, wish.via_xml, text=text)
            found = await self._found_apart(job)
            if found.violations:
                return found.violations
            written = found.text
        else:
            from holdfast_executor.structured import (  # noqa: PLC0415 - see above
                xml_text,
            )

            try:
                written, element = xml_text.document(text, wish.root or ANSWER)
            except xml_text.XmlError as error:
                return (Violation("", error.keyword, error.message),)
            if wish.via_xml:
                written = json_of(element, wish.parsed)
        return await self._json(wish, written) if wish.via_xml else written

    async def _found_apart(self, job: Job) -> Finding:
        try:
            return await self._apart.check(job)
        except TooLongError:
            return Finding(violations=_TOO_LONG)

    async def _schema(self, wish: Wish) -> _Known:
        digest = wish.digest
        known = self._known.get(digest)
        if known is not None:
            self._known.move_to_end(digest)
            return known
        known = await self._compiled(wish)
        self._kept_bytes += known.size
        self._known[digest] = known
        while self._kept_bytes > _MOST_KEPT_BYTES:
            _, dropped = self._known.popitem(last=False)
            self._kept_bytes -= dropped.size
        return known

    async def _compiled(self, wish: Wish) -> _Known:
        size = max(_LEAST_BYTES, len(wish.schema))
        bounds = UNKNOWN
        if wish.kind is Kind.SCHEMA:
            bounds = bounds_of(wish.parsed, MOST_DEPTH)
        if bounds.is_known:
            from holdfast_executor.structured.json_schema import (  # noqa: PLC0415
                JsonSchema,
            )

            try:
                compiled = JsonSchema(wish.schema, formats=wish.strict)
                return _Known(compiled, bounds, size)
            except PatternError:
                pass
        root = wish.root if wish.kind is Kind.XML else ""
        await self._apart.check(Job(wish.schema, root, formats=wish.strict))
        return _Known(None, UNKNOWN, size)
