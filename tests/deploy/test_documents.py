"""What operators read leads somewhere."""

import itertools
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from fakes.manifests import DEPLOY, kubectl, rendered
from holdfast_cli.main import main

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


GROUPS = {"create", "rollout", "set"}
"""Commands of kubectl that have commands of their own."""

KUBECTL = {
    *GROUPS,
    *("apply", "delete", "describe", "diff", "drain", "exec", "get", "kustomize"),
    *("label", "logs", "patch", "port-forward", "scale", "wait"),
    *("env", "generic", "image", "job", "restart", "secret", "status", "undo"),
}
GLOBAL = "--namespace="

BY_HAND = ("deploy/k8s/README.md", "docs/runbook.md")


def commands(name: str, program: str) -> set[str]:
    """Return the commands of a program that a document tells somebody to type."""
    text = (ROOT / name).read_text()
    blocks = re.findall(r"^ *```\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", text)
    return {
        re.split(r" # |\||\)$", each)[0].strip()
        for each in (*lines, *spans)
        if each.startswith(f"{program} ")
    }


@pytest.mark.parametrize(
    "command", sorted({each for name in BY_HAND for each in commands(name, "holdfast")})
)
def test_our_own_commands_are_understood(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """There are such, with the options that they are given."""
    words = shlex.split(command)[1:]
    named = [
        *itertools.takewhile(lambda word: re.fullmatch("[a-z][a-z-]*", word), words)
    ]

    with pytest.raises(SystemExit) as ended:
        main([*named, "--help"])

    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert named
    for option in words:
        if option.startswith("--"):
            assert f"{option.partition('=')[0]} " in said, option


@pytest.mark.parametrize(
    "command", sorted({each for name in BY_HAND for each in commands(name, "kubectl")})
)
def test_kubectl_has_such_commands(command: str) -> None:
    """With the options that it is given."""
    words = shlex.split(command.partition("'{")[0].replace('"$', "$").replace('"', ""))
    named = [word for word in words if word in KUBECTL]
    done = subprocess.run(
        [kubectl(), named[0], *(named[1:] if named[0] in GROUPS else ()), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    known = done.stdout + GLOBAL
    for option in itertools.takewhile(lambda word: word != "--", words):
        if option.startswith("--"):
            assert f"{option.partition('=')[0]}=" in known, option


@pytest.mark.parametrize("name", BY_HAND)
def test_what_is_sent_is_said_to_be_json(name: str) -> None:
    """The edge takes nothing else, and curl would say that it is a form."""
    text = (ROOT / name).read_text().replace("\\\n", "")
    sent = [line for line in text.splitlines() if "curl" in line and " -d " in line]

    assert sent
    assert all("content-type: application/json" in line for line in sent)


def test_a_member_that_is_to_join_is_told_so_and_no_other_is_restarted() -> None:
    """By the patch of the README, as kubectl itself carries it out."""
    text = (DEPLOY / "k8s" / "README.md").read_text()
    (patch,) = re.findall(r"patch statefulset etcd -p '(\{.*?\})'\n", text, re.DOTALL)
    before = rendered("prod").named("StatefulSet", "etcd")
    done = subprocess.run(
        [*(kubectl(), "patch", "--local", "-f", "-", "-p", patch, "-o", "json")],
        input=json.dumps(before),
        capture_output=True,
        text=True,
        check=True,
    )

    after = json.loads(done.stdout)
    (container,) = after["spec"]["template"]["spec"]["containers"]
    told = {each["name"]: each.get("value") for each in container["env"]}
    assert after["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert told == {"POD_NAME": None, "CLUSTER_STATE": "existing"}
    container["env"] = before["spec"]["template"]["spec"]["containers"][0]["env"]
    after["spec"]["updateStrategy"] = before["spec"]["updateStrategy"]
    assert after["spec"] == before["spec"]
