"""Train the EEG network in its three forms: is it the left or the right fist?

The network is that of Table I of the paper in docs/ecg-eeg.md, on nine electrodes at 80 Hz: a convolution of 30 x 1 in time, one over all electrodes,
an average pool, two fully connected layers. `--data` is an archive of trials: `x_uV`, int16 (trials, 64 electrodes, 640 samples at 160 Hz), `channels`,
`y` and `run`. README.md has the results.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from macaw.examples.signal_network import ConvolutionSpec, FloatArray, Form, PoolSpec, Recipe, SignalNetwork
from macaw.examples.signal_training import Examples, SignalTask, rounded, run_script

ELECTRODES = ("Fc3", "Fcz", "Fc4", "C3", "Cz", "C4", "Cp3", "Cpz", "Cp4")  # over the motor cortex
BAND_HZ = (7.0, 32.0)  # mu and beta rhythm
STEP = 1 / 32  # of the inputs, which are 8-bit integers times this

NETWORK = SignalNetwork(
    "eeg",
    (1, 320, len(ELECTRODES)),
    (
        ConvolutionSpec("temporal", 40, (30, 1), (15, 0)),
        ConvolutionSpec("spatial", 40, (1, len(ELECTRODES)), (0, 0)),
        PoolSpec("average", "average", (11, 1), (5, 1)),
    ),
    hidden=80,
)


def load(path: Path, net: SignalNetwork) -> Examples:
    """Trials of four seconds: common average reference, 7 to 32 Hz, every other sample, standardized by electrode, rounded."""
    with np.load(path, allow_pickle=False) as archive:
        samples = archive["x_uV"].astype(np.float64)
        labels, runs = archive["y"].astype(np.int64), archive["run"].astype(np.int64)
        names = [str(name) for name in archive["channels"]]
        rate = float(archive["fs"])
    samples = samples - samples.mean(1, keepdims=True)
    samples = samples[:, [names.index(name) for name in ELECTRODES]]
    spectrum = np.fft.rfft(samples, axis=2)
    frequencies = np.fft.rfftfreq(samples.shape[2], 1 / rate)
    spectrum[:, :, (frequencies < BAND_HZ[0]) | (frequencies > BAND_HZ[1])] = 0
    band = np.fft.irfft(spectrum, samples.shape[2], axis=2)[:, :, ::2]
    band /= band.std(2, keepdims=True)
    return Examples(rounded(band.transpose(0, 2, 1)[:, None], STEP), labels, runs)


def augment(inputs: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Shifted in time, another height for each electrode, and noise."""
    shifted = np.stack([np.roll(values, shift, 1) for values, shift in zip(inputs, generator.integers(-40, 41, len(inputs)), strict=True)])
    height = generator.uniform(0.8, 1.25, (len(inputs), 1, 1, inputs.shape[3]))
    return rounded(shifted * height + generator.normal(0, 0.2, inputs.shape), STEP)


BINARY = Recipe(epochs=60, batch=25, learning_rate=2e-3, weight_decay=0)

TASK = SignalTask(
    title="the EEG network",
    folder=Path(__file__).resolve().parent,
    data="eegmmi_s001_leftright.npz",
    networks=dict.fromkeys(Form, NETWORK),
    recipes={Form.REAL: Recipe(epochs=40, batch=25, dropout=0.5, weight_decay=1e-2), Form.CLASSIFIER: BINARY, Form.BINARY: BINARY},
    load=load,
    augment=augment,
    heldout=(12,),
    folds=((3,), (4,), (7,), (8,), (11,), (12,)),
    input_scale=STEP,
    group="run",
    kept=15,
    whole=True,
)

if __name__ == "__main__":
    sys.exit(run_script(TASK))
