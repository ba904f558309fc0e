"""What a load takes in cores, memory and writes of etcd, from what was measured."""
