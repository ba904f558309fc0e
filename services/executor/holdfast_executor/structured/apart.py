"""Checking in a process of its own, which can be ended: what may take too long.

Schemas of XML are always compiled and answers checked against them here, and JSON
where the schema or the answer is such that nobody can say how long it takes. One
process does one thing and ends; it is given little memory and little time.

    python -m holdfast_executor.structured.apart < job > finding
"""

import asyncio
import contextlib
import os
import resource
import sys
from typing import Any

import msgspec

from holdfast_executor.structured.violations import (
    PatternError,
    SchemaError,
    Violation,
)

_MODULE = "holdfast_executor.structured.apart"

TIME_LIMIT_S = 3.0
"""Of wall-clock time, start and imports included, which take 0.1 s."""

_MEMORY_BYTES = 1024**3
"""Of address space: the largest schema and answer that are taken need a tenth."""

_KEPT = ("LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "PYTHONPATH")
"""What it is told of the environment: how to run Python, and no secret."""

_MOST_AT_ONCE = 4
"""Processes: who comes after them waits."""


class Job(msgspec.Struct, frozen=True):
    """What is to be checked.

    Attributes:
        xml_root: The root element of XML. Empty: it is JSON.
        formats: Whether formats have to be kept.
        text: The answer. None: the schema alone is looked at.
    """

    schema: bytes
    xml_root: str = ""
    formats: bool = False
    text: str | None = None


class Finding(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        fault: What is wrong with the schema. Empty: nothing.
        violations: Path, keyword and message of each. Empty: the answer fits.
    """

    fault: str = ""
    violations: tuple[tuple[str, str, str], ...] = ()


class TooLongError(Exception):
    """It took too long, or more memory than there is for it."""


class Apart:
    """Runs such processes, a few at a time."""

    def __init__(self, time_limit_s: float = TIME_LIMIT_S) -> None:
        """Begin with none.

        Args:
            time_limit_s: What each may take, in seconds.
        """
        self._time_limit_s = time_limit_s
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)

    async def check(self, job: Job) -> tuple[Violation, ...]:
        """Check an answer; nothing if it fits.

        Raises:
            SchemaError: The schema is none.
            TooLongError: It could not be found out.
        """
        async with self._room:
            found = await self._run(msgspec.json.encode(job))
        if found.fault:
            raise SchemaError(found.fault)
        return tuple(Violation(*each) for each in found.violations)

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
        found = _violations_of_xml(job) if job.xml_root else _violations_of_json(job)
    except SchemaError as error:
        return Finding(fault=error.message)
    return Finding(violations=tuple((v.path, v.keyword, v.message) for v in found))


def _violations_of_xml(job: Job) -> tuple[Violation, ...]:
    from holdfast_executor.structured import xml_text  # noqa: PLC0415 - see above

    schema = xml_text.Xsd(job.schema)
    if job.text is None:
        return ()
    return schema.violations(xml_text.document(job.text, job.xml_root)[1])


def _violations_of_json(job: Job) -> tuple[Violation, ...]:
    from holdfast_executor.structured.json_schema import (  # noqa: PLC0415 - see above
        JsonSchema,
    )

    schema = _compiled(JsonSchema, job)
    if job.text is None:
        return ()
    value = msgspec.json.decode(job.text)
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
    seconds = int(TIME_LIMIT_S) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(_find(job)))


if __name__ == "__main__":
    main()
