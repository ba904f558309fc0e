"""Checking in a process of its own, which can be ended: what may take too long.

Schemas of XML are always compiled and answers checked against them here, and all else
where the schema or the answer is such that it may take long. One process does one
thing and ends; it is given little memory and little time.

    python -m holdfast_executor.structured.apart < job > finding
"""

import asyncio
import contextlib
import os
import resource
import sys
from typing import Any

import msgspec

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
    Violation,
)
from holdfast_executor.structured.xml_answer import json_of

_MODULE = "holdfast_executor.structured.apart"

_CPU_LIMIT_S = 3
"""Of work, start and imports included, which take 0.1 s."""

_TIME_LIMIT_S = 15.0
"""Of wall-clock time: on a busy machine the same work takes longer, and an answer that
fits is not to be lost for that."""

_MEMORY_BYTES = 1024**3
"""Of address space: the largest schema and answer that are taken need a tenth."""

_KEPT = ("LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "PYTHONPATH")
"""What it is told of the environment: how to run Python, and no secret."""

_MOST_AT_ONCE = 4
"""Processes: who comes after them waits."""


class Job(msgspec.Struct, frozen=True):
    """What is to be checked.

    Attributes:
        schema: A JSON schema, or the XSD of XML. Empty: none.
        xml_root: The root element of XML. Empty: it is JSON.
        via_xml: Whether the XML stands for JSON by the schema.
        formats: Whether formats have to be kept.
        text: The answer. None: the schema alone is looked at.
    """

    schema: bytes
    xml_root: str = ""
    via_xml: bool = False
    formats: bool = False
    text: str | None = None


class Finding(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        fault: What is wrong with the schema. Empty: nothing.
        violations: Empty: the answer fits.
        text: The answer without what stands around it. Of XML that stands for JSON,
            that JSON.
    """

    fault: str = ""
    violations: tuple[Violation, ...] = ()
    text: str = ""


class TooLongError(Exception):
    """It took too long, or more memory than there is for it."""


class Apart:
    """Runs such processes, a few at a time."""

    def __init__(self, time_limit_s: float = _TIME_LIMIT_S) -> None:
        """Begin with none.

        Args:
            time_limit_s: What each may take, in seconds of wall-clock time.
        """
        self._time_limit_s = time_limit_s
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)

    async def check(self, job: Job) -> Finding:
        """Check an answer.

        Raises:
            SchemaError: The schema is none.
            TooLongError: It could not be found out.
        """
        async with self._room:
            found = await self._run(msgspec.json.encode(job))
        if found.fault:
            raise SchemaError(found.fault)
        return found

    async def _run(self, job: bytes) -> Finding:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _MODULE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
        )
        try:
            async with asyncio.timeout(self._time_limit_s):
                written, _ = await process.communicate(job)
            return msgspec.json.decode(written, type=Finding)
        except (TimeoutError, msgspec.DecodeError):
            raise TooLongError from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _find(job: Job) -> Finding:
    try:
        if job.xml_root:
            return _find_xml(job)
        return _find_json(job)
    except SchemaError as error:
        return Finding(fault=error.message)


def _find_xml(job: Job) -> Finding:
    from holdfast_executor.structured import xml_text  # noqa: PLC0415 - see above

    is_xsd = bool(job.schema) and not job.via_xml
    schema = xml_text.Xsd(job.schema) if is_xsd else None
    if job.text is None:
        return Finding()
    try:
        text, element = xml_text.document(job.text, job.xml_root)
    except xml_text.XmlError as error:
        return Finding(violations=(Violation("", error.keyword, error.message),))
    if job.via_xml:
        return Finding(text=json_of(element, msgspec.json.decode(job.schema)))
    return Finding(violations=schema.violations(element) if schema else (), text=text)


def _find_json(job: Job) -> Finding:
    from holdfast_executor.structured.json_schema import (  # noqa: PLC0415 - see above
        JsonSchema,
    )

    schema = _compiled(JsonSchema, job)
    if job.text is None:
        return Finding()
    fitting: list[tuple[str, Any]] = []
    wrong: tuple[Violation, ...] = ()
    try:
        for candidate, value in values(job.text):
            found = _violations(schema, value)
            if not found:
                fitting.append((candidate, value))
            wrong = wrong or found
    except NoJsonError as error:
        return Finding(violations=none_in_it(error))
    answer = chosen(fitting, wrong)
    if isinstance(answer, str):
        return Finding(text=answer)
    return Finding(violations=answer)


def _violations(schema: Any, value: Any) -> tuple[Violation, ...]:
    if depth(value) > MOST_DEPTH:
        return (TOO_DEEP,)
    return () if schema.takes(value) else schema.violations(value)


def _compiled(kind: Any, job: Job) -> Any:
    """Compile with the fast engine for patterns, or with the other if it must be."""
    try:
        return kind(job.schema, formats=job.formats)
    except PatternError:
        return kind(job.schema, formats=job.formats, linear=False)


def main() -> None:
    """Do what standard input says."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_LIMIT_S, _CPU_LIMIT_S))
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(_find(job)))


if __name__ == "__main__":
    main()
