"""The stack without Docker. Python 3.8 or newer can start it, so these modules are written for 3.8."""
