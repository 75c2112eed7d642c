"""What to tell: folds of book and decisions into frozen records."""
