"""Exact analysis of the shipped integers: properties, the prover, certificates and their checker."""
