"""Train the digits example, quantize it to int8 and write the files that are kept beside this script.

The script writes `digits_int8.onnx` (the quantized network) and `heldout.npz` (360 images that took no part in
training, validation or calibration, with their labels and the network's logits), with `--small` the network of half
the channels, `digits_small_int8.onnx` and `heldout_small.npz`. Every random choice comes from a fixed seed. With
`--check` nothing is trained: the files already there are run and compared with each other.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from macaw.examples.int8_quantization import quantize

if TYPE_CHECKING:
    import torch

FloatArray = npt.NDArray[np.float32]
LabelArray = npt.NDArray[np.int64]

INPUT, OUTPUT = "image", "logits"
OPSET, IR_VERSION = 17, 8

SPLIT_SEED = 2024  # which images are held out, and which of the others are the validation images
HELDOUT_IMAGES, VALIDATION_IMAGES = 360, 240
TRAINING_SEEDS = (1, 2, 3, 4)
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY, LABEL_SMOOTHING, DROPOUT = 80, 64, 4e-3, 1e-4, 0.05, 0.2


@dataclass(frozen=True)
class ConvSpec:
    """A padded 3x3 convolution with a bias and a ReLU, and whether a 2x2 max pool of stride 2 follows it."""

    name: str
    inputs: int
    outputs: int
    stride: int
    pool: bool = False


CLASSES = 10


@dataclass(frozen=True)
class Network:
    """Output channels of the four convolutions, and the files that the network and its answers are kept in."""

    channels: tuple[int, int, int, int]
    model_file: str
    heldout_file: str

    @property
    def convs(self) -> tuple[ConvSpec, ...]:
        first, second, third, fourth = self.channels
        return (
            ConvSpec("conv1", 1, first, stride=1),  # 8x8 -> 8x8
            ConvSpec("conv2", first, second, stride=1, pool=True),  # 8x8 -> 8x8, pooled to 4x4
            ConvSpec("conv3", second, third, stride=1),  # 4x4 -> 4x4
            ConvSpec("conv4", third, fourth, stride=2),  # 4x4 -> 2x2
        )

    @property
    def features(self) -> int:
        return self.channels[-1] * 2 * 2


FULL = Network((16, 16, 16, 32), "digits_int8.onnx", "heldout.npz")
SMALL = Network((8, 8, 8, 16), "digits_small_int8.onnx", "heldout_small.npz")


@dataclass(frozen=True)
class Images:
    """Images as the network takes them, [n, 1, 8, 8] with values from 0 to 1, and their labels."""

    image: FloatArray
    labels: LabelArray

    def take(self, index: npt.NDArray[np.int64]) -> Images:
        return Images(self.image[index], self.labels[index])


@dataclass(frozen=True)
class Split:
    training: Images
    validation: Images
    heldout: Images


def load_split() -> Split:
    """The data set in three parts, each with the same share of every digit."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    image = (digits.images / 16.0).astype(np.float32)[:, np.newaxis]  # 0..16 / 16: exact in float32
    images = Images(image, digits.target.astype(np.int64))
    every = np.arange(len(images.labels))
    rest, heldout = train_test_split(every, test_size=HELDOUT_IMAGES, random_state=SPLIT_SEED, stratify=images.labels)
    training, validation = train_test_split(
        rest, test_size=VALIDATION_IMAGES, random_state=SPLIT_SEED, stratify=images.labels[rest]
    )
    return Split(images.take(training), images.take(validation), images.take(heldout))


# Training.


def build_network(design: Network) -> torch.nn.Sequential:
    """The network as it is trained: batch normalization stands where the exported network has its biases."""
    from torch import nn

    layers: list[torch.nn.Module] = []
    for spec in design.convs:
        layers += [
            nn.Conv2d(spec.inputs, spec.outputs, kernel_size=3, stride=spec.stride, padding=1, bias=False),
            nn.BatchNorm2d(spec.outputs),
            nn.ReLU(),
        ]
        if spec.pool:
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    layers += [nn.Flatten(), nn.Dropout(DROPOUT), nn.Linear(design.features, CLASSES)]
    return nn.Sequential(*layers)


def shifted(image: FloatArray, generator: np.random.Generator) -> FloatArray:
    """A copy of the images, each moved by at most one pixel in each direction; zeros move in from outside."""
    padded = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1)))
    moved = np.empty_like(image)
    for index, (down, right) in enumerate(generator.choice(3, size=(len(image), 2), p=(0.2, 0.6, 0.2))):
        moved[index] = padded[index, :, down : down + 8, right : right + 8]
    return moved


def train_network(design: Network, images: Images, seed: int, epochs: int) -> torch.nn.Sequential:
    import torch

    torch.set_num_threads(1)  # the order of float additions must not depend on the number of cores
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)

    network = build_network(design)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    loss_function = torch.nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)

    network.train()
    for _ in range(epochs):
        order = generator.permutation(len(images.labels))
        image, labels = shifted(images.image[order], generator), images.labels[order]
        for start in range(0, len(labels), BATCH):
            stop = start + BATCH
            optimizer.zero_grad()
            logits = network(torch.from_numpy(image[start:stop]))
            loss = loss_function(logits, torch.from_numpy(labels[start:stop]))
            loss.backward()
            optimizer.step()
        schedule.step()
    return network.eval()


# Export.


def folded_parameters(design: Network, network: torch.nn.Sequential) -> dict[str, FloatArray]:
    """Weights and biases by name, with each batch normalization folded into the convolution before it."""
    from torch import nn

    convs = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    norms = [layer for layer in network if isinstance(layer, nn.BatchNorm2d)]
    linear = network[-1]
    parameters: dict[str, FloatArray] = {}
    for spec, conv, norm in zip(design.convs, convs, norms, strict=True):
        factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = conv.weight.double() * factor[:, None, None, None]
        bias = norm.bias.double() - norm.running_mean.double() * factor
        parameters[f"{spec.name}.weight"] = weight.detach().numpy().astype(np.float32)
        parameters[f"{spec.name}.bias"] = bias.detach().numpy().astype(np.float32)
    parameters["fc.weight"] = linear.weight.detach().numpy().astype(np.float32)
    parameters["fc.bias"] = linear.bias.detach().numpy().astype(np.float32)
    return parameters


def build_float_model(design: Network, parameters: dict[str, FloatArray]) -> onnx.ModelProto:
    """The float network as ONNX, for one image, with all shapes static."""
    nodes: list[onnx.NodeProto] = []
    tensor = INPUT
    for spec in design.convs:
        nodes.append(
            helper.make_node(
                "Conv",
                [tensor, f"{spec.name}.weight", f"{spec.name}.bias"],
                [f"{spec.name}_sum"],
                name=spec.name,
                kernel_shape=[3, 3],
                strides=[spec.stride, spec.stride],
                pads=[1, 1, 1, 1],
                dilations=[1, 1],
                group=1,
            )
        )
        tensor = f"{spec.name}_out"
        nodes.append(helper.make_node("Relu", [f"{spec.name}_sum"], [tensor], name=f"{spec.name}_relu"))
        if spec.pool:
            pooled = f"{spec.name}_pool"
            nodes.append(
                helper.make_node("MaxPool", [tensor], [pooled], name=pooled, kernel_shape=[2, 2], strides=[2, 2])
            )
            tensor = pooled
    nodes.append(helper.make_node("Flatten", [tensor], ["features"], name="flatten", axis=1))
    nodes.append(helper.make_node("Gemm", ["features", "fc.weight", "fc.bias"], [OUTPUT], name="fc", transB=1))

    graph = helper.make_graph(
        nodes,
        "digits",
        inputs=[helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, 1, 8, 8])],
        outputs=[helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, CLASSES])],
        initializer=[numpy_helper.from_array(array, name) for name, array in parameters.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="macaw-digits"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def quantized_model(model: onnx.ModelProto, calibration: FloatArray) -> onnx.ModelProto:
    """The network with int8 weights and activations, in the QDQ form."""
    quantized = quantize(model, calibration)
    check_properties(quantized)
    return quantized


def check_properties(model: onnx.ModelProto) -> None:
    """Stop if the quantized network is not what README.md says it is."""
    graph = model.graph
    constants = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    producer = {output: node for node in graph.node for output in node.output}

    known = {info.name for info in (*graph.value_info, *graph.input, *graph.output)}
    for info in (*graph.value_info, *graph.input, *graph.output):
        if not all(dim.dim_value > 0 for dim in info.type.tensor_type.shape.dim):
            raise ValueError(f"tensor {info.name} has no static shape")
    for name in producer:
        if name not in known:
            raise ValueError(f"the shape of tensor {name} is not known")

    if [node.op_type for node in graph.node if INPUT in node.input] != ["QuantizeLinear"]:
        raise ValueError("the graph does not begin with QuantizeLinear")
    if producer[OUTPUT].op_type != "DequantizeLinear":
        raise ValueError("the graph does not end with DequantizeLinear")

    for name, array in constants.items():
        if array.dtype == np.int8 and array.ndim > 1 and np.abs(array.astype(np.int32)).max() > 64:
            raise ValueError(f"weights {name} leave the range -64..64")
    for node in graph.node:
        if node.op_type == "MaxPool":
            consumer = next(other for other in graph.node if node.output[0] in other.input)
            before, after = producer[node.input[0]], consumer
            for one, other in zip(before.input[1:], after.input[1:], strict=True):
                if not np.array_equal(constants[one], constants[other]):
                    raise ValueError("MaxPool changes the scale or the zero point")


# Evaluation.


def run_model(model: onnx.ModelProto, image: FloatArray) -> FloatArray:
    """The logits of each image, from onnxruntime with its default graph optimizations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run([OUTPUT], {INPUT: one[np.newaxis]})[0] for one in image])


def count_right(logits: FloatArray, labels: LabelArray) -> int:
    return int((logits.argmax(axis=1) == labels).sum())


def cross_entropy(logits: FloatArray, labels: LabelArray) -> float:
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(wide).sum(axis=1)) - wide[np.arange(len(labels)), labels]))


def share(right: int, total: int) -> str:
    return f"{right} of {total} right ({100 * right / total:.2f} %)"


# Commands.


def recreate(design: Network, directory: Path, seeds: Sequence[int], epochs: int) -> None:
    """Train one network per seed, keep the one whose int8 form is best on the validation images, write the files."""
    split = load_split()
    best: tuple[int, float, int] | None = None
    for seed in seeds:
        network = train_network(design, split.training, seed, epochs)
        float_candidate = build_float_model(design, folded_parameters(design, network))
        int8_candidate = quantized_model(float_candidate, split.training.image)
        logits = run_model(int8_candidate, split.validation.image)
        right = count_right(logits, split.validation.labels)
        loss = cross_entropy(logits, split.validation.labels)
        print(f"seed {seed}: int8 on validation: {share(right, len(logits))}, cross-entropy {loss:.4f}", flush=True)
        if best is None or (-right, loss) < best[:2]:
            best = -right, loss, seed
            float_model, int8_model = float_candidate, int8_candidate
    if best is None:
        raise ValueError("no training seeds")
    print(f"kept: seed {best[2]}")

    image, labels = split.heldout.image, split.heldout.labels
    logits = run_model(int8_model, image)
    print(f"float on held-out: {share(count_right(run_model(float_model, image), labels), len(labels))}")
    print(f"int8 on held-out:  {share(count_right(logits, labels), len(labels))}")

    directory.mkdir(parents=True, exist_ok=True)
    onnx.save(int8_model, str(directory / design.model_file))
    np.savez_compressed(directory / design.heldout_file, image=image, labels=labels, logits=logits)
    print(f"wrote {directory / design.model_file} and {directory / design.heldout_file}")


def check(design: Network, directory: Path) -> int:
    """Run the network that is there on the held-out images that are there; 0 if the logits are those recorded."""
    model = onnx.load(str(directory / design.model_file))
    check_properties(model)
    with np.load(directory / design.heldout_file) as heldout:
        image, labels, recorded = heldout[INPUT], heldout["labels"], heldout[OUTPUT]
    logits = run_model(model, image)
    different = int((logits != recorded).sum())
    print(f"int8 on held-out: {share(count_right(logits, labels), len(labels))}")
    print(f"logits that differ from those recorded: {different} of {recorded.size}")
    return 1 if different else 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train and quantize the digits example.")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).resolve().parent,
        metavar="DIR",
        help="where the files are written, or read with --check (default: beside this script)",
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=list(TRAINING_SEEDS), help="training seeds (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="epochs for each seed (default: %(default)s)")
    parser.add_argument("--small", action="store_true", help="the network of half the channels")
    parser.add_argument("--check", action="store_true", help="train nothing: check the files that are there")
    arguments = parser.parse_args(argv)

    needed = ["onnxruntime"] if arguments.check else ["onnxruntime", "sklearn", "torch"]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        print(f"train.py needs {', '.join(missing)}; in the repository: pip install '.[train]'", file=sys.stderr)
        return 2
    design = SMALL if arguments.small else FULL
    if arguments.check:
        return check(design, arguments.output)
    recreate(design, arguments.output, arguments.seeds, arguments.epochs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
