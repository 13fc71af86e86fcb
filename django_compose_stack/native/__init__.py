"""The stack without Docker. Any Python from 3.8 on may begin it, so these modules keep to that version."""
