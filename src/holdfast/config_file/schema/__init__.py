"""Every field of the configuration file, as data.

`docs/configuration.md` is written from this, and a file is read by it: one
more field is one more row here, and where it goes is in `build`.
"""

from holdfast.config_file.addresses import Address
from holdfast.config_file.kinds import Choice, Text
from holdfast.config_file.ledger import LedgerAddress
from holdfast.config_file.schema.defaults import DEFAULTS
from holdfast.config_file.schema.etcd import ETCD
from holdfast.config_file.schema.models import MODEL_ENTRY, PROVIDER
from holdfast.config_file.schema.names import ID, PATH
from holdfast.config_file.schema.organizations import ORGANIZATION
from holdfast.config_file.structure import Field, ListOf, MapOf, Section

NETWORK = Section(
    "network",
    "Which private addresses may be called all the same.",
    (
        Field(
            "allow_private_hosts",
            ListOf(
                Text(
                    "`HOST` or `HOST:PORT`",
                    r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?",
                    "a host as `api_base` names it, with or without a port",
                )
            ),
            "Where custom models may be that are made through the API, though it is "
            "private: as their `api_base` names it. Without a port: any port.",
            "none",
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
            LedgerAddress(),
            "Where history is kept.",
            "`ledger.db` in `state_dir`",
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
        Field("network", NETWORK, "What may be called.", "as below"),
        Field("organizations", ListOf(ORGANIZATION), "Who uses the gateway.", "none"),
    ),
)
