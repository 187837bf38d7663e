"""The CIFG-LSTM of `model.cifg` in PyTorch, and a client's training of it: the same for all peers that use PyTorch.

This file runs in the peers' environment, which has no TensorFlow.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch.nn import functional

from data.vocabulary import BOUNDARY, PAD
from federation.benchmarks.peers.training_data import TrainingData


class PyTorchCifg(torch.nn.Module):
    """The network as a module; its parameters have the names of `ModelConfig.shapes`."""

    def __init__(self, weights: Mapping[str, np.ndarray], packed: bool) -> None:
        """Starts from `weights`. With `packed`, a row may hold several messages: `<s>` resets the state."""
        super().__init__()
        self._packed = packed
        for name, array in weights.items():
            self.register_parameter(name, torch.nn.Parameter(torch.from_numpy(array.copy())))

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        """Returns the mean loss of rows [B, T + 1], int64, in nats, over targets that are not padding.

        The softmax is computed for these targets alone, as in the plain TensorFlow loop: half of padded rows is padding.
        """
        labels = rows[:, 1:]
        real = labels != PAD
        logits = functional.linear(self._read(rows[:, :-1])[real], self.embedding, self.output_bias)
        return functional.cross_entropy(logits, labels[real])

    def _read(self, tokens: torch.Tensor) -> torch.Tensor:
        """Returns the projected state after each of the tokens [B, T]: [B, T, E]."""
        inputs = functional.linear(functional.embedding(tokens, self.embedding), self.input_kernel, self.gate_bias)
        hidden = inputs.new_zeros(len(tokens), self.projection.shape[0])
        cell = inputs.new_zeros(len(tokens), self.projection.shape[1])
        kept = (tokens != BOUNDARY).to(inputs.dtype).unsqueeze(2).unbind(1)
        states = []
        for added, keep in zip(inputs.unbind(1), kept, strict=True):
            if self._packed:
                hidden, cell = hidden * keep, cell * keep
            forget, output, candidate = (added + functional.linear(hidden, self.recurrent_kernel)).chunk(3, 1)
            forget = torch.sigmoid(forget)
            cell = forget * cell + (1 - forget) * torch.tanh(candidate)
            hidden = functional.linear(torch.sigmoid(output) * torch.tanh(cell), self.projection)
            states.append(hidden)
        return torch.stack(states, 1)


def train(network: PyTorchCifg, rows: torch.Tensor, data: TrainingData) -> None:
    """Trains on a client's rows [n, T + 1]: one pass of SGD on clipped gradients."""
    optimizer = torch.optim.SGD(network.parameters(), data.learning_rate)
    for batch in rows.split(data.batch):
        optimizer.zero_grad()
        network.loss(batch).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), data.clipping_norm)
        optimizer.step()


def weights_of(network: PyTorchCifg) -> dict[str, np.ndarray]:
    """Returns a copy of the network's weights."""
    return {name: parameter.detach().numpy().copy() for name, parameter in network.named_parameters()}
