"""What `holdfast check` prints and ends with."""

import subprocess
import sys
from pathlib import Path

from configuration_files import ENVIRONMENT, EVERYTHING
from holdfast_cli import check


def test_a_usable_file_is_ok_with_a_summary(tmp_path, capsys):
    """What it declares, on standard output, and exit code 0."""
    path = tmp_path / "gateway.yaml"
    path.write_text(EVERYTHING)

    code = check.run(path, environ=ENVIRONMENT)

    out = capsys.readouterr().out
    assert code == 0
    assert out == (
        f"OK: {path}: 1 organization, 1 project, 1 key, 3 providers, 1 model, "
        "1 custom model, 1 alias\n"
    )


def test_warnings_go_to_standard_error(tmp_path, capsys):
    """One a line, with file, line and field, and the file is usable."""
    path = tmp_path / "gateway.yaml"
    path.write_text("\nproviders: {p: {credential: {env: NOT_SET}}}\n")

    code = check.run(path, environ={})

    (line,) = capsys.readouterr().err.splitlines()
    assert code == 0
    assert line.startswith(f"warning: {path}:2: providers.p.credential: ")


def test_faults_are_one_a_line_and_exit_code_2(tmp_path, capsys):
    """With file, line, field, problem and remedy, and nothing on standard output."""
    path = tmp_path / "gateway.yaml"
    path.write_text("listen: 8080\nledger: sqlite:///a.db\ncatalog: all\n")

    code = check.run(path, environ={})

    printed = capsys.readouterr()
    assert code == 2
    assert printed.out == ""
    assert printed.err.splitlines() == [
        f"{path}:1: listen: is a number, not text; put the text in quotes",
        f'{path}:3: catalog: "all" is none of the choices; write one of: shipped, none',
    ]


def test_a_file_that_is_not_there_is_a_fault(tmp_path, capsys):
    """And no traceback."""
    code = check.run(tmp_path / "nowhere.yaml", environ={})

    assert code == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_the_catalog_is_checked_against(tmp_path, capsys):
    """What the shipped catalog holds decides what a file may refer to."""
    path = tmp_path / "gateway.yaml"
    path.write_text("models: [{name: m, deployments: [{provider: opnai}]}]\n")

    code = check.run(path, known_providers=["openai"], environ={})

    assert code == 2
    assert "did you mean openai?" in capsys.readouterr().err


def test_the_environment_is_the_process_own():
    """The example is usable where its two keys are set, and not where they are not."""
    example = Path(__file__).parents[2] / "examples" / "holdfast.yaml"
    program = (
        "import sys, pathlib; from holdfast_cli import check; "
        "sys.exit(check.run(pathlib.Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", program, str(example)]

    there = subprocess.run(
        command, env={"HOLDFAST_KEY": "a", "TUNED_KEY": "b"}, check=False
    )
    away = subprocess.run(command, env={}, check=False, capture_output=True, text=True)

    assert there.returncode == 0
    assert away.returncode == 2
    assert "environment variable HOLDFAST_KEY holds no key" in away.stderr
