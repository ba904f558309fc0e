"""What operators read leads somewhere."""

import re
from pathlib import Path

import pytest

from fakes.manifests import DEPLOY

ROOT = DEPLOY.parent
DOCUMENTS = ("deploy/k8s/README.md", "docs/runbook.md", "docs/licences.md")


def anchors(path: Path) -> set[str]:
    """Return what can be linked to in a document."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_what_there_is(name: str) -> None:
    """To a file of the project, and to a heading in it."""
    document = ROOT / name
    for link in re.findall(r"\]\((?!http)([^)]+)\)", document.read_text()):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_names_tests_that_there_are() -> None:
    """Of what it says is tested."""
    text = (DEPLOY / "k8s" / "README.md").read_text()
    for name in re.findall(r"`(tests/[\w/]+\.py)`", text):
        assert (ROOT / name).exists(), name


def test_every_component_is_in_the_readme() -> None:
    """With what it is for."""
    text = (DEPLOY / "k8s" / "README.md").read_text()
    for folder in ("components", "overlays"):
        for each in (DEPLOY / "k8s" / folder).iterdir():
            assert f"| [{folder}/{each.name}]({folder}/{each.name}) |" in text
