"""Bootstrap: seats everyone at the desk. `desks` alone decides who plays; the other files hold their parts.

Nothing is imported here: whoever wants one part is not made to load them all.
"""
