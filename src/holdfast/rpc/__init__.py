"""How the services reach each other over gRPC."""
