"""The fields that say where etcd is and how it lets the gateway in."""

from holdfast.config_file.addresses import Address
from holdfast.config_file.credentials import OneFile, OneSecret
from holdfast.config_file.kinds import Text
from holdfast.config_file.schema.names import WORD
from holdfast.config_file.structure import Field, ListOf, Section

TLS = Section(
    "etcd.tls",
    "How etcd is spoken to over TLS. The files are read again when they change; "
    "relative paths are below the file's own folder. `{}` for an etcd that any "
    "client of this machine would believe.",
    (
        Field(
            "ca_file",
            OneFile(),
            "The authorities of etcd's certificates, as PEM.",
            "those that the machine trusts",
        ),
        Field("cert_file", OneFile(), "The certificate that etcd is shown, as PEM."),
        Field("key_file", OneFile(), "Its private key, as PEM."),
    ),
)

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
        Field("tls", TLS, "Certificates.", "in the clear"),
        Field(
            "username",
            WORD,
            "Whom etcd knows the gateway as.",
            "whom the certificate names",
        ),
        Field("password", OneSecret(), "That user's password."),
    ),
)
