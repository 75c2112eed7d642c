"""Pure: values in, values out. No clock, no I/O, chance only from a passed generator."""
