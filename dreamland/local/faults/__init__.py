"""Breaking Dreamland on purpose: real processes are killed under load, and the books have to be right afterwards.

`manage.py faults --minutes N --seed S`. The same seed makes the same plan of faults and of wins; how they meet is up to
the machine, as in life.
"""
