"""Generate every *_pb2 module from its proto. Run by `make protos`.

The proto packages of our own API are named after the Python package that holds
the generated code, so protoc's output is importable as it stands and nothing is
rewritten. The protos of etcd's wire format stand beside the code that uses them.
"""

import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
API = ROOT / "src" / "holdfast" / "api"
RESOLVER = ROOT / "services" / "resolver"
TESTS = ROOT / "tests"


def main() -> None:
    """Replace what is there with what the protos say."""
    shutil.rmtree(API, ignore_errors=True)
    out = ROOT / "src"
    files = sorted(PROTOS.rglob("*.proto"))
    protoc(PROTOS, files, python=out, mypy=out)
    services = [path for path in files if path.name.endswith("_service.proto")]
    protoc(PROTOS, services, grpc_python=out, mypy_grpc=f"only_async:{out}")
    for folder in [API, *(path for path in API.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").touch()

    wire = RESOLVER / "holdfast_resolver" / "etcd" / "wire.proto"
    protoc(RESOLVER, [wire], python=RESOLVER, mypy=RESOLVER)
    stubs = TESTS / "fakes" / "etcd3_stubs" / "rpc.proto"
    protoc(TESTS, [stubs], python=TESTS, grpc_python=TESTS)


def protoc(
    root: pathlib.Path, files: list[pathlib.Path], **outputs: pathlib.Path | str
) -> None:
    """Run protoc on files below `root`, with one output folder per plug-in."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--proto_path={root}",
            *(f"--{plugin}_out={folder}" for plugin, folder in outputs.items()),
            *map(str, files),
        ],
        check=True,
    )


if __name__ == "__main__":
    main()
