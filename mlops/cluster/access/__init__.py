"""Ways from this machine to what runs in the cluster: services, object store, pods and logs."""
