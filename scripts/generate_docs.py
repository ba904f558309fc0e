"""Write the field tables of docs/configuration.md anew from the schema."""

import pathlib

from holdfast.config_file import reference

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs" / "configuration.md"


def main() -> None:
    """Replace what is between the marks."""
    document = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(reference.refreshed(document), encoding="utf-8")


if __name__ == "__main__":
    main()
