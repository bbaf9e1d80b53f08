"""The flow, one step a file: collect → detect → open → send, beside track, clear, clocks and trim.

A step claims (transaction), calls the outside (none open), records (transaction). It keeps nothing in memory that the
store cannot give back, so a process may die between any two lines of it.
"""
