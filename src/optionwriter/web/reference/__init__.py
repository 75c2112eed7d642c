"""The reference page: every address of the API with its parameters and fields."""
