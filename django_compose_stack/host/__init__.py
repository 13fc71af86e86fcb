"""What the programs on the host share. Python 3.8 or newer, standard library only: nothing is installed yet."""
