"""Published: the shapes of what other processes see, a file a subject. Plain values that JSON can hold."""
