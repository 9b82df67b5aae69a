"""Kubernetes manifests: those of Kubeflow Pipelines, and changes to them."""
