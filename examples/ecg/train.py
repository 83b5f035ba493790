"""Train the ECG network in its three forms: has the electrode pair of this strip been exchanged?

The network is that of Table II of the paper in docs/ecg-eeg.md, with one lead in the place of twelve: five one-dimensional
convolutions of 13, 11, 9, 7 and 5 taps, two max pools, two fully connected layers. `--data` is an archive of MIT-BIH beats: `x`, int16 (beats, 256)
around each R peak at 360 Hz, and `record`. README.md has the results.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from macaw.examples.signal_network import ConvolutionSpec, FloatArray, Form, PoolSpec, Recipe, SignalNetwork
from macaw.examples.signal_training import Examples, SignalTask, rounded, run_script

BEATS = 3  # consecutive beats of a strip
STRIPS = 300  # of each record
STEP = 1 / 32  # of the inputs, which are 8-bit integers times this

BINARY = Recipe(epochs=8, learning_rate=2e-3, weight_decay=0)
LAYERS = (
    ConvolutionSpec("conv1", 32, (13,), (0,)),
    PoolSpec("pool1", "max", (2,), (2,)),
    ConvolutionSpec("conv2", 32, (11,), (0,)),
    PoolSpec("pool2", "max", (2,), (2,)),
    ConvolutionSpec("conv3", 32, (9,), (0,)),
    ConvolutionSpec("conv4", 32, (7,), (0,)),
    ConvolutionSpec("conv5", 32, (5,), (0,)),
)


def network(beat: int) -> SignalNetwork:
    """The network for strips of three beats of ``beat`` samples."""
    return SignalNetwork("ecg", (1, BEATS * beat), LAYERS, hidden=75)


def load(path: Path, net: SignalNetwork) -> Examples:
    """Strips of three consecutive beats of one record: standardized, rounded to 8 bits, and half of them negated.

    Exchanging the two electrodes of a bipolar lead negates it, and nothing else. Which beats, and which are negated, does not
    depend on the strip's length.
    """
    beat = net.shape[1] // BEATS
    generator = np.random.default_rng(2020)
    with np.load(path, allow_pickle=False) as archive:
        samples, records = archive["x"].astype(np.float32), archive["record"].astype(np.int64)
    before = (samples.shape[1] - beat) // 2
    samples = samples[:, before : before + beat]
    strips, groups = [], []
    for record in np.unique(records):
        beats = np.flatnonzero(records == record)
        for first in np.sort(generator.permutation(len(beats) - BEATS + 1)[:STRIPS]):
            strips.append(samples[beats[first : first + BEATS]].reshape(-1))
            groups.append(record)
    inputs = np.stack(strips)
    inputs = (inputs - inputs.mean(1, keepdims=True)) / (inputs.std(1, keepdims=True) + 1)
    labels = generator.permutation(np.arange(len(inputs)) % 2)
    inputs = rounded(inputs * (1 - 2 * labels)[:, None], STEP)
    return Examples(inputs[:, None], labels.astype(np.int64), np.array(groups))


def augment(inputs: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Another height, and noise."""
    height = generator.uniform(0.8, 1.25, (len(inputs), 1, 1))
    noise = generator.normal(0, 0.05, inputs.shape)
    return rounded(inputs * height + noise, STEP)


TASK = SignalTask(
    title="the ECG network",
    folder=Path(__file__).resolve().parent,
    data="mitbih_beats.npz",
    networks={Form.REAL: network(170), Form.CLASSIFIER: network(250), Form.BINARY: network(250)},
    recipes={Form.REAL: Recipe(epochs=4), Form.CLASSIFIER: BINARY, Form.BINARY: BINARY},
    load=load,
    augment=augment,
    heldout=(104, 108, 121, 232),
    folds=((100, 104), (106, 108), (113, 121), (202, 223), (231, 232)),
    input_scale=STEP,
    group="record",
    kept=100,
)

if __name__ == "__main__":
    sys.exit(run_script(TASK))
