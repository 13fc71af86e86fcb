"""The first process: standard library only. It imports neither Django nor the worker; a test holds that rule."""
