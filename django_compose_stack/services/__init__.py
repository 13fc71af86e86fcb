"""What a project can have besides: python3 .stack add --service NAME, and remove. Python 3.8, standard library only.

Each service is a text file here, which definition.py reads: what it is, the packages it needs, and its blocks, the
lines that stand in the project's files while the project has it.
"""
