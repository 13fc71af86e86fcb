"""Finds what is wrong with the stack on this machine, why it matters and how to fix it.

`make doctor` or `python3 .stack doctor`. It has to work where nothing else does: Python 3.9 or newer, standard library
only, and no check relies on the success of another one.
"""
