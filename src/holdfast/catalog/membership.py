"""Which deployments stay in the pool of the model they are said to run."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from statistics import median

from holdfast.catalog.entries import DeploymentEntry
from holdfast.catalog.names import shipped_rules

Offers = Mapping[str, tuple[DeploymentEntry, ...]]
"""What each provider has, by its id."""


def without_doubles(
    entries: Iterable[DeploymentEntry],
) -> tuple[DeploymentEntry, ...]:
    """Keep one deployment a model and place, and what holds otherwise only then.

    Of two spellings for one thing the one with a cloud's version tag wins (the
    other may be that of another API), then the shorter: a floating name outlives
    the snapshot it stands for.
    """
    best: dict[tuple[str, str], DeploymentEntry] = {}
    for entry in entries:
        key = (entry.model, entry.at)
        if key not in best or _preference(entry) < _preference(best[key]):
            best[key] = entry
    placed = {entry.model for entry in best.values() if not entry.is_otherwise}
    kept = [
        entry
        for entry in best.values()
        if not (entry.is_otherwise and entry.model in placed)
    ]
    count = Counter(entry.model for entry in kept)
    return tuple(
        replace(entry, needs_suffix=count[entry.model] > 1)
        for entry in sorted(kept, key=lambda entry: (entry.model, entry.suffix))
    )


def _preference(entry: DeploymentEntry) -> tuple[bool, int, str]:
    name = entry.provider_model
    return (not name.endswith(":0"), len(name), name)


def without_strangers(offers: Offers) -> Offers:
    """Leave out models of no known lab that a single provider serves.

    They are products of that provider's own, with names like `small` or `custom`
    that an organization may want for an alias.
    """
    served = Counter(
        model
        for entries in offers.values()
        for model in {entry.model for entry in entries}
    )
    lab = shipped_rules().lab
    return {
        provider: tuple(
            entry for entry in entries if lab(entry.model) or served[entry.model] > 1
        )
        for provider, entries in offers.items()
    }


def without_small_windows(offers: Offers, share: float) -> Offers:
    """Leave out deployments that take far less than the others of their pool.

    Args:
        offers: What each provider has.
        share: The least window, as a share of the median of the model's.
    """
    windows: dict[str, list[int]] = defaultdict(list)
    for entries in offers.values():
        for entry in entries:
            if entry.context_window_tokens:
                windows[entry.model].append(entry.context_window_tokens)
    least = {model: share * median(sizes) for model, sizes in windows.items()}
    return {
        provider: tuple(
            entry
            for entry in entries
            if not 0 < entry.context_window_tokens < least.get(entry.model, 0)
        )
        for provider, entries in offers.items()
    }
