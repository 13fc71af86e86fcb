"""The small process that holds debugpy's port for as long as the server lives, and how a worker joins it."""
