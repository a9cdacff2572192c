"""Evaluation of a deployed model, per event and never per window."""
