"""Endpoints: something says where each is, and it may be called."""

from holdfast.addresses import looks_private
from holdfast.config_file.addresses import filled
from holdfast.config_file.build import custom_provider
from holdfast.config_file.checks.names import near
from holdfast.config_file.faults import echo
from holdfast.config_file.known import Known
from holdfast.config_file.values import Record, column


def providers(root: Record, known: Known) -> None:
    """Report providers that are used and of which nothing says where they are."""
    declared = root.named("providers")
    if not known.providers:
        return
    used = column("provider", root.sections("models", "deployments"))
    for provider in used:
        if provider.content not in {*known.providers, *declared}:
            provider.fault(
                f"{echo(provider.content)} is no known provider",
                near(
                    provider.content,
                    [*known.providers, *declared],
                    "declare it under providers",
                ),
            )
    needed = {provider.content for provider in used}
    for name, value in declared.items():
        if name in known.providers:
            continue
        missing = [
            field
            for field in ("dialect", "base_uri")
            if field not in value.content.given
        ]
        if missing:
            say = value.fault if name in needed else value.warn
            say(
                f"is not in the catalog and lacks {' and '.join(missing)}",
                near(name, known.providers, f"add {' and '.join(missing)}"),
            )


def custom_models(root: Record, known: Known) -> None:
    """Report custom models of which nothing says where they are or who pays."""
    declared = root.named("providers")
    for entry in root.sections("organizations", "custom_models"):
        identifier = entry.at("identifier")
        if identifier is None or "api_base" in entry.section("extra").given:
            continue
        provider = custom_provider(entry)
        located = provider in known.providers or (
            declared[provider].content.at("base_uri") is not None
            if provider in declared
            else not known.providers
        )
        if not located:
            identifier.fault(
                f"nothing says where provider {echo(provider)} is",
                "add extra: {api_base: URI}",
            )
        if entry.at("api_key") is None:
            identifier.fault(
                "has neither an api_key nor an api_base of its own",
                "add api_key: the gateway's own credential is not lent",
            )


def private_networks(root: Record) -> None:
    """Warn of endpoints that will not be called as they are."""
    providers = [value.content for value in root.named("providers").values()]
    customs = root.sections("organizations", "custom_models")
    ends = [(entry, entry.at("base_uri")) for entry in providers]
    ends += [(entry, entry.section("extra").at("api_base")) for entry in customs]
    for entry, uri in ends:
        if (
            uri
            and not entry.get("allow_private_network")
            and looks_private(filled(uri.content))
        ):
            uri.warn(
                "is a private address, which is not called",
                "add allow_private_network: true if it is meant",
            )
