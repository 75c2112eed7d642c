"""The compiled driver's core: the quote grid, and a loop over it that calls the same rules as the cycle.

columns (what is kept of every step), making (from chains to columns), terms (a run as plain numbers), refusing (what
the loop does not take, by name); money, standing, offering, tending, reviewing, trading (the loop's parts), loop,
running.
"""
