"""Write down what the image is made of: `deploy/sbom.cdx.json` and `docs/licences.md`.

From the pins and from what is installed of them, so that neither can say what is not
so. Run after `make pins` and `make install`; with `--check` it writes nothing and
fails where it would.
"""

import json
import pathlib
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
SBOM = ROOT / "deploy" / "sbom.cdx.json"
LICENCES = ROOT / "docs" / "licences.md"

PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)
NAME = re.compile(r"[A-Za-z0-9._-]+")

SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "MIT License": "MIT",
}
"""What packages write in place of SPDX's own names."""

READ = {
    "google-re2": "BSD-3-Clause",
    "pyasn1-modules": "BSD-2-Clause",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "uvloop": "Apache-2.0 OR MIT",
}
"""Those whose metadata leave open which of several licences is meant, as the licence
files that they ship say."""

PLAIN = re.compile(r"(MIT|Apache|BSD|MPL|PSF|ISC)[A-Za-z0-9.-]*( (OR|AND) \S+)*")


@dataclass(frozen=True, slots=True)
class Package:
    """A package that is pinned.

    Attributes:
        needs: The pinned packages that it needs.
        in_image: Whether it is in the image, or only on machines that run etcd too.
    """

    name: str
    version: str
    licence: str
    needs: tuple[str, ...]
    in_image: bool

    @property
    def reference(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def main() -> None:
    """Write both, or say which of them is not as it would be written."""
    packages = [*pinned()]
    written = {SBOM: sbom(packages), LICENCES: licences(packages)}
    if "--check" not in sys.argv[1:]:
        for path, text in written.items():
            path.write_text(text, encoding="utf-8")
        return
    stale = [
        path
        for path, text in written.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is not as scripts/generate_sbom.py writes it")
    sys.exit(bool(stale))


def pinned() -> Iterator[Package]:
    """Read the pins, and what is installed of them."""
    pins = dict(PIN.findall(pins_of("run")))
    in_image = dict(PIN.findall(pins_of("image")))
    for name, version in pins.items():
        installed = metadata.version(name)
        if installed != version:
            sys.exit(f"{name} {installed} is installed, {version} pinned: make install")
        needed = {
            normal(match[0])
            for line in metadata.requires(name) or ()
            if "extra ==" not in line and (match := NAME.match(line))
        }
        yield Package(
            name,
            version,
            licence_of(name),
            tuple(sorted(needed & pins.keys())),
            in_image.get(name) == version,
        )


def pins_of(name: str) -> str:
    """Read one of the files with pins."""
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def normal(name: str) -> str:
    """Return a package's name as pins have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(name: str) -> str:
    """Return a package's licence, as an SPDX expression."""
    if name in READ:
        return READ[name]
    said = metadata.metadata(name).json
    words = str(said.get("license_expression") or said.get("license") or "")
    if not words:
        classifiers = said.get("classifier") or []
        words = next(
            each.rpartition(" :: ")[2]
            for each in classifiers
            if each.startswith("License")
        )
    licence = SPDX.get(words, words)
    if not PLAIN.fullmatch(licence):
        sys.exit(f"{name}: nobody has read what licence {licence!r} is; see READ")
    return licence


def sbom(packages: list[Package]) -> str:
    """Write a bill of materials as CycloneDX 1.6 has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = project["project"]
    own = f"pkg:generic/{named['name']}@{named['version']}"
    direct = {
        normal(match[0])
        for each in named["dependencies"]
        if (match := NAME.match(each))
    }
    references = {package.name: package.reference for package in packages}
    document: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": named["name"],
                "version": named["version"],
                "description": named["description"],
                "licenses": [{"expression": named["license"]}],
            }
        },
        "components": [
            {
                "type": "library",
                "bom-ref": package.reference,
                "name": package.name,
                "version": package.version,
                "scope": "required" if package.in_image else "excluded",
                "licenses": [{"expression": package.licence}],
                "purl": package.reference,
            }
            for package in packages
        ],
        "dependencies": [
            {"ref": own, "dependsOn": [references[each] for each in sorted(direct)]},
            *(
                {
                    "ref": package.reference,
                    "dependsOn": [references[each] for each in package.needs],
                }
                for package in packages
            ),
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def licences(packages: list[Package]) -> str:
    """Write the list for people."""
    rows = "\n".join(
        f"| {package.name}{'' if package.in_image else ' (not in the image)'} "
        f"| {package.version} | {package.licence} |"
        for package in packages
    )
    return f"""# Licences

Written by `scripts/generate_sbom.py` from the pins; do not edit.

Holdfast itself is under [Apache-2.0](../LICENSE). This is what it runs with, by SPDX's
names; [sbom.cdx.json](../deploy/sbom.cdx.json) says the same to machines (CycloneDX
1.6), with what needs what. In the image there are packages of Debian's besides: Python,
the C and C++ libraries and what those need, each with its copyright below
`/usr/share/doc`.

| package | version | licence |
|---|---|---|
{rows}
"""


if __name__ == "__main__":
    main()
