"""The warm processes that import everything once and fork a process per task."""
