"""The development dashboard at /_stack/: the current state of the stack, and what is wrong with it.

It exists while DEBUG is on, and works with the database down, with no migration applied, and without JavaScript.
"""
