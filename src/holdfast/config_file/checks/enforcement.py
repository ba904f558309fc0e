"""What may be written down already and is not acted on by this version."""

from holdfast.config_file.values import Record


def not_enforced(root: Record) -> None:
    """Warn of each field that changes nothing."""
    for entry in root.sections("organizations", "custom_models"):
        if (kind := entry.at("type")) is not None and kind.content == "image":
            kind.warn("is not served by this version", "expect requests to fail")
