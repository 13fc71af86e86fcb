"""A development stack for Django and Postgres: Compose or no Docker, one program, and what Django needs of both.

Nothing is imported here, because the program runs where Django is not installed. Every module that it loads on the host
needs Python 3.8 (the doctor's: 3.9) and the standard library alone; ruff checks that: pyproject.toml.
"""

__version__ = "1.0.0"
