"""Run the edge: `python -m holdfast_edge`."""

from holdfast.starting import leave_when_told


def main() -> None:
    """Run the edge until told to stop."""
    leave_when_told()
    # Not before: it is what takes a second.
    from holdfast_edge import gateway  # noqa: PLC0415

    gateway.main()


if __name__ == "__main__":
    main()
