"""Many calls over one long-lived gRPC stream, whatever is ready in one message."""
