"""The live page: what the agent is, sees, holds and decides, refreshed by itself."""
