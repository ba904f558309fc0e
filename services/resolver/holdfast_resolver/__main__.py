"""Run the resolver: `python -m holdfast_resolver`."""

from holdfast.starting import leave_when_told


def main() -> None:
    """Run the resolver until told to stop."""
    leave_when_told()
    # Not before: it is what takes a second.
    from holdfast_resolver import server  # noqa: PLC0415

    server.main()


if __name__ == "__main__":
    main()
