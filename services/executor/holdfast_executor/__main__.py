"""Run the executor: `python -m holdfast_executor`."""

from holdfast_executor.server import main

if __name__ == "__main__":
    main()
