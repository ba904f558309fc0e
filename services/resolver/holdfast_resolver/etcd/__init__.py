"""The one place that knows etcd: its wire format, its failures and its limits."""
