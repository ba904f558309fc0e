"""Load on a gateway: requests from one event loop, and what came of them."""
