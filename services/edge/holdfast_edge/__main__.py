"""Run the edge: `python -m holdfast_edge`."""

from holdfast_edge.gateway import main

if __name__ == "__main__":
    main()
