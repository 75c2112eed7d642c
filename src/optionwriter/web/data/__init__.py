"""The Data page: what recorded data there is, how good each day is, and how the harvester does."""
