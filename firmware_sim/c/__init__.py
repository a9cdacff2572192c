"""Hand-written C99 of the controller, compiled together with an exported model."""
