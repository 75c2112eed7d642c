"""What to do: state, rules, menu, choice, risk, orders."""
