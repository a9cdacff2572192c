"""crumple: airbag crash classifiers that can be proved.

One chain of stages, each reading and writing files::

    signals -> model (train, quantise, prove) -> export (C, ONNX, report) -> firmware_sim

The integers that are proved are the integers that run.
"""

__version__ = "0.1.0"
MADE_BY = f"crumple {__version__}"

__all__ = ["MADE_BY", "__version__"]
