"""Clocks: the machine's, and a simulated one."""
