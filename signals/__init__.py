"""What the sensor sees: traces, synthetic events, measured recordings, the sensor chain, corpora."""
