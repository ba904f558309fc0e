"""Run the resolver: `python -m holdfast_resolver`."""

from holdfast_resolver.server import main

if __name__ == "__main__":
    main()
