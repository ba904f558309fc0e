"""Write the catalog's data files from a source of facts.

    python scripts/generate_catalog.py SOURCE.json[.gz]

The source is a file in the format of models.dev; what is decided by hand is in
`src/holdfast/catalog/data/curated.toml` and `names.toml`. Files that the source
no longer gives are removed.
"""

import argparse
from pathlib import Path

from holdfast.catalog.compilation import compile_catalog
from holdfast.catalog.curation import shipped_curation
from holdfast.catalog.loader import load
from holdfast.catalog.source import read_source
from holdfast.catalog.toml_text import catalog_files

_DATA = Path(__file__).resolve().parent.parent / "src/holdfast/catalog/data"


def main() -> None:
    """Write every file, read the whole back and say what is in it."""
    parser = argparse.ArgumentParser(description="Write the catalog's data files.")
    parser.add_argument("source", type=Path, help="a JSON file, maybe gzipped")
    parser.add_argument("--into", type=Path, default=_DATA, help="the data folder")
    arguments = parser.parse_args()
    texts = catalog_files(
        compile_catalog(read_source(arguments.source), shipped_curation())
    )
    for folder in ("providers", "models"):
        (arguments.into / folder).mkdir(parents=True, exist_ok=True)
        for stale in (arguments.into / folder).glob("*.toml"):
            if f"{folder}/{stale.name}" not in texts:
                stale.unlink()
    for path, text in texts.items():
        (arguments.into / path).write_text(text, encoding="utf-8")
    catalog = load(arguments.into)
    pools = [len(model.deployments) for model in catalog.models.values()]
    print(
        f"{len(catalog.providers)} providers, {sum(pools)} deployments,"
        f" {len(pools)} models, {sum(size > 1 for size in pools)} of them with two"
        " or more deployments"
    )


if __name__ == "__main__":
    main()
