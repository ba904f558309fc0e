"""What may be written down already and is not acted on by this version."""

from holdfast.config_file.values import Record, column

_UNUSED: tuple[tuple[tuple[str, ...], str], ...] = (
    ((), "ledger"),
    (("organizations",), "budget"),
    (("organizations",), "guardrails"),
    (("organizations", "aliases"), "defaults"),
    (("organizations", "projects"), "budget"),
    (("organizations", "projects"), "retention"),
)
"""Where each such field stands, and its name."""


def not_enforced(root: Record) -> None:
    """Warn of each field that changes nothing."""
    for path, name in _UNUSED:
        for value in column(name, root.sections(*path)):
            value.warn(
                "is read but not enforced by this version",
                "do not rely on it: the gateway runs as if it were not there",
            )
    for entry in root.sections("organizations", "custom_models"):
        if (kind := entry.at("type")) is not None and kind.content == "image":
            kind.warn("is not served by this version", "expect requests to fail")
    for defaults in _defaults(root):
        _promised(defaults)


def _defaults(root: Record) -> tuple[Record, ...]:
    scopes = (
        root,
        *root.sections("organizations"),
        *root.sections("organizations", "projects"),
    )
    return tuple(value.content for value in column("defaults", scopes))


def _promised(defaults: Record) -> None:
    retries = defaults.at("parse_retries")
    if retries is not None and retries.content:
        retries.warn(
            "is read but not enforced by this version: structured output is not "
            "asked for again",
            "write 0 to say so",
        )
