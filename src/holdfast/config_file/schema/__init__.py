"""Every field of the configuration file, as data.

`docs/configuration.md` is written from this, and a file is read by it: one
more field is one more row here, and where it goes is in `build`.
"""

from holdfast.config_file.addresses import Address
from holdfast.config_file.credentials import OneSecret
from holdfast.config_file.kinds import Choice, Text
from holdfast.config_file.schema.defaults import DEFAULTS
from holdfast.config_file.schema.models import MODEL_ENTRY, PROVIDER
from holdfast.config_file.schema.names import ID, PATH
from holdfast.config_file.schema.organizations import ORGANIZATION
from holdfast.config_file.structure import Field, ListOf, MapOf, Section

ETCD = Section(
    "etcd",
    "Where etcd is. Left out: `holdfast up` runs one of its own.",
    (
        Field(
            "endpoints",
            ListOf(Address("`HOST:PORT`", least_port=1)),
            "The members of the cluster, any of them.",
            "an etcd of its own",
        ),
        Field(
            "prefix",
            Text("key prefix", r"/\S*[^\s/]", "a prefix such as /holdfast"),
            "What every key begins with. Gateways that share one share state.",
            "`/holdfast`",
        ),
    ),
)

ROOT = Section(
    "The file",
    "All fields are optional: an empty file is the shipped catalog, and nobody "
    "who may call it.",
    (
        Field(
            "listen",
            Address("`HOST:PORT`", least_port=0),
            "Where the edge serves. Port 0 picks a free one, shown in the ready line.",
            "`127.0.0.1:8080`",
        ),
        Field(
            "state_dir",
            PATH,
            "The folder for etcd's and the ledger's files when they are embedded.",
            "`.holdfast`",
        ),
        Field("etcd", ETCD, "Where etcd is.", "an etcd of its own"),
        Field(
            "ledger",
            OneSecret("ledger URI, `sqlite:///` or `postgresql+asyncpg://`; a secret"),
            "Where history is kept. Not acted on yet.",
            "none",
        ),
        Field("defaults", DEFAULTS, "What holds for every request.", "as below"),
        Field(
            "providers",
            MapOf(ID, PROVIDER),
            "Credentials, and providers that the catalog does not know.",
            "the catalog's, without credentials",
        ),
        Field(
            "models",
            ListOf(MODEL_ENTRY),
            "Models beside the shipped catalog's, or in place of them.",
            "none",
        ),
        Field(
            "catalog",
            Choice(("shipped", "none")),
            "`none`: only `models` exist.",
            "`shipped`",
        ),
        Field("organizations", ListOf(ORGANIZATION), "Who uses the gateway.", "none"),
    ),
)
