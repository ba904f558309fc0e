"""What a core, a megabyte and a write of etcd carry."""
