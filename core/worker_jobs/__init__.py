"""Processes that train one model together, started where a step runs: this machine, a cluster, or Vertex AI."""
