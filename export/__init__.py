"""Printing what was decided and proved: C99, ONNX, and the safety-analysis report."""
