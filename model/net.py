"""The float net that training shapes: one hidden ReLU layer, and its gradient by backpropagation.

Each partial result of the forward pass is computed once and used again on the way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]


@dataclass(slots=True)
class Net:
    """``y = v . max(0, W s + b) + c`` for inputs ``s`` of shape (n_windows, n_blocks).

    Attributes
    ----------
    hidden_weight : ndarray, shape (n_hidden, n_blocks)
    hidden_bias, output_weight : ndarray, shape (n_hidden,)
    output_bias : ndarray, shape (1,)
    """

    hidden_weight: Float
    hidden_bias: Float
    output_weight: Float
    output_bias: Float

    @classmethod
    def drawn(cls, n_hidden: int, n_blocks: int, rng: np.random.Generator) -> Net:
        """Kernels of moderate size drawn from ``rng``; two nodes of three start with a positive output weight."""
        weight = rng.normal(0.0, 0.5, (n_hidden, n_blocks))
        sign = np.where(np.arange(n_hidden) % 3 == 2, -1.0, 1.0)
        return cls(weight, rng.normal(0.0, 0.5, n_hidden), 0.5 * sign, np.array([-0.5]))

    def parameters(self) -> tuple[Float, Float, Float, Float]:
        """The arrays that training moves, in a fixed order."""
        return self.hidden_weight, self.hidden_bias, self.output_weight, self.output_bias

    def single(self) -> Net:
        """The same net in float32, for looking at many windows."""
        return Net(*(parameter.astype(np.float32) for parameter in self.parameters()))

    def score(self, inputs: Float) -> Float:
        """Output alone, shape (n_windows,), for inputs of shape (n_windows, n_blocks)."""
        return self.forward(inputs)[0]

    def forward(self, inputs: Float) -> tuple[Float, Float]:
        """Output, shape (n_windows,), and hidden activations, shape (n_windows, n_hidden), kept for the way back."""
        hidden = np.maximum(inputs @ self.hidden_weight.T + self.hidden_bias, 0.0)
        return hidden @ self.output_weight + self.output_bias[0], hidden

    def backward(self, inputs: Float, hidden: Float, d_output: Float) -> tuple[Float, Float, Float, Float]:
        """Gradients of a loss with respect to the parameters.

        Parameters
        ----------
        inputs : ndarray, shape (n_windows, n_blocks)
        hidden : ndarray, shape (n_windows, n_hidden)
            As ``forward`` returned it.
        d_output : ndarray, shape (n_windows,)
            Derivative of the loss with respect to each output.
        """
        d_hidden = np.where(hidden > 0, d_output[:, None] * self.output_weight, 0.0)
        return d_hidden.T @ inputs, d_hidden.sum(axis=0), hidden.T @ d_output, np.array([d_output.sum()])
