"""Run the executor: `python -m holdfast_executor`."""

from holdfast.starting import leave_when_told


def main() -> None:
    """Run the executor until told to stop."""
    leave_when_told()
    # Not before: it is what takes a second.
    from holdfast_executor import server  # noqa: PLC0415

    server.main()


if __name__ == "__main__":
    main()
