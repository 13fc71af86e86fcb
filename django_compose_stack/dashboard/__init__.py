"""The development dashboard at /_stack/: the stack as it runs now, and what is wrong with it.

It is there while DEBUG is on, and tells what it must with the database down, with nothing migrated and without
JavaScript. `/` stays the project's own page, because that is the one to edit; its footer links here.
"""
