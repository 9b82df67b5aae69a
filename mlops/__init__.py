"""The product's own package: the verbs, what they do, where pipelines run, what is reported, and the local cluster."""
