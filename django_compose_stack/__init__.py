"""A development stack for Django and Postgres: Compose or no Docker, one program, and what Django needs of both.

Nothing is imported here, because the program runs where Django is not installed.
"""

__version__ = "1.0.0"
