"""The safety-analysis report: reads artefacts of every stage, renders them, computes nothing."""
