"""The processes that import the project: the one that loads and serves it, and its snapshots."""
