"""Access from this machine to the cluster's services, object store, pods and logs."""
