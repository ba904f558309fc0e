"""What the fields of a file must be to each other: unique, declared, in force."""

from collections.abc import Callable

from holdfast.config_file.checks import (
    endpoints,
    enforcement,
    etcd,
    guardrails,
    names,
    policies,
    secrets_held,
)
from holdfast.config_file.known import Known
from holdfast.config_file.values import Record

ALONE: tuple[Callable[[Record], None], ...] = (
    names.unique,
    endpoints.private_networks,
    secrets_held.credential_kinds,
    policies.satisfiable,
    etcd.pairs,
    guardrails.usable,
    enforcement.not_enforced,
)
"""The checks that need nothing but the file."""

AGAINST_KNOWN: tuple[Callable[[Record, Known], None], ...] = (
    names.apart,
    names.alias_members,
    endpoints.providers,
    endpoints.custom_models,
    secrets_held.keys,
    secrets_held.credentials,
    secrets_held.ledger,
    policies.provider_names,
    etcd.password,
    guardrails.meant,
)
"""Those that need the catalog or the environment. One more check of either kind
is a function in one of these modules, and its name here."""


def check(root: Record, known: Known) -> None:
    """Report everything that no field shows by itself."""
    for alone in ALONE:
        alone(root)
    for against in AGAINST_KNOWN:
        against(root, known)
