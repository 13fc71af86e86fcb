"""Makes projects, adds the stack to existing ones, and updates both. Python 3.8 or newer, standard library only."""
