"""The only file that imports numba: a typed decorator, at the bottom of core."""
