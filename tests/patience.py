"""How long a test waits before it says that something hangs. A busy machine is no fault of what is tested, and a limit
that is never reached costs nothing."""

LONGEST_S = 180.0
