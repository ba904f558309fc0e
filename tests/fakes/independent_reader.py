"""The PyPI client etcd3, which knows nothing of ours: it reads what we write.

Its last release carries generated code that today's protobuf refuses, so ours,
generated from `etcd3_stubs/rpc.proto`, is put in its place before it is imported.
"""

import sys
import types

from fakes.etcd3_stubs import rpc_pb2, rpc_pb2_grpc

_stubs = types.ModuleType("etcd3.etcdrpc")
for _generated in (rpc_pb2, rpc_pb2_grpc):
    vars(_stubs).update(
        {name: value for name, value in vars(_generated).items() if name[0] != "_"}
    )
sys.modules.setdefault(_stubs.__name__, _stubs)

import etcd3  # noqa: E402, after its stubs


def connect(endpoint: str) -> etcd3.Etcd3Client:
    """Connect to an etcd; the caller closes."""
    host, _, port = endpoint.rpartition(":")
    return etcd3.client(host=host, port=int(port), timeout=5)
