"""What the model is, and what it provably does."""
