"""Seats everyone at the desk: the one file that decides who plays which part."""
