"""Manifests of Kubernetes: those of Kubeflow Pipelines, and what is changed in them."""
