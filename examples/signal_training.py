"""The script that trains and exports the three forms of a biosignal network, and says how accurate they are."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from macaw.compiler.model_import import import_model
from macaw.scripts.marked_section import write_section
from macaw.sim.reference import open_reference

from .float_export import float_model
from .int8_quantization import quantize
from .qonnx_export import INPUT, qonnx_model
from .signal_network import FloatArray, Form, LabelArray, Recipe, SignalNetwork, scores, train

__all__ = ["Examples", "SignalTask", "rounded", "run_script"]

_CALIBRATION = 256


@dataclass(frozen=True)
class Examples:
    """Inputs with their labels, and of which recording each is."""

    inputs: FloatArray
    labels: LabelArray
    groups: LabelArray

    def take(self, index: Any) -> Examples:
        """Some of them, in that order."""
        return Examples(self.inputs[index], self.labels[index], self.groups[index])


@dataclass(frozen=True, kw_only=True)
class SignalTask:
    """What a folder's script trains.

    ``networks``, ``recipes``: by form. ``load``: all examples in the form's input shape, from the data file. ``heldout``: groups that take no
    part in training or calibration. ``kept``: how many held-out examples are written beside the models; ``whole``: all examples are, too, those of
    the training included, to compare more inputs than are held out.
    """

    title: str
    folder: Path
    data: str
    networks: dict[Form, SignalNetwork]
    recipes: dict[Form, Recipe]
    load: Callable[[Path, SignalNetwork], Examples]
    augment: Callable[[FloatArray, np.random.Generator], FloatArray]
    heldout: tuple[int, ...]
    folds: tuple[tuple[int, ...], ...]
    input_scale: float
    group: str
    kept: int
    whole: bool = False
    seed: int = 1


def rounded(inputs: npt.NDArray[np.floating[Any]], step: float) -> FloatArray:
    """The nearest of the numbers that are 8-bit integers, -127 to 127, times ``step``."""
    return (np.clip(np.rint(inputs / step), -127, 127) * step).astype(np.float32)


def model_file(task: SignalTask, form: Form) -> str:
    """Name of a form's model."""
    return f"{task.networks[form].name}_{form.value}.onnx"


def exported(task: SignalTask, form: Form, model: Any, training: Examples) -> onnx.ModelProto:
    """A trained network as it is kept: QDQ or QONNX."""
    network = task.networks[form]
    index = np.random.default_rng(task.seed).permutation(len(training.labels))[:_CALIBRATION]
    calibration = training.inputs[index]
    if form is Form.REAL:
        return quantize(float_model(network, model), calibration)
    return qonnx_model(network, form, model, calibration, task.input_scale)


def reference_scores(path: Path, inputs: FloatArray) -> FloatArray:
    """What the model's reference interpreter gives (ONNX Runtime, for QONNX operator by operator)."""
    reference = open_reference(path, import_model(path, None))
    assert reference is not None
    return np.asarray(reference.outputs(inputs), np.float32).reshape(len(inputs), -1)


def _right(found: FloatArray, labels: LabelArray) -> int:
    return int((found.argmax(1) == labels).sum())


def _evaluate(task: SignalTask, form: Form, examples: Examples, heldout: Sequence[int], path: Path) -> dict[str, Any]:
    """Train without ``heldout``, export to ``path``; how many of the held-out examples are right, before and after."""
    apart = np.isin(examples.groups, heldout)
    training, test = examples.take(~apart), examples.take(apart)

    def report(epoch: int, loss: float) -> None:
        print(f"  {form.value}, without {', '.join(map(str, heldout))}: epoch {epoch + 1}, loss {loss:.4f}", flush=True)

    network, recipe = task.networks[form], task.recipes[form]
    model = train(network, form, recipe, training.inputs, training.labels, task.seed, task.augment, report)
    onnx.save(exported(task, form, model, training), str(path))
    found = reference_scores(path, test.inputs)
    return {
        "examples": len(test.labels),
        "trained": _right(scores(model, test.inputs), test.labels),
        "exported": _right(found, test.labels),
        "groups": {
            str(group): [_right(found[test.groups == group], test.labels[test.groups == group]), int((test.groups == group).sum())]
            for group in heldout
        },
    }  # fmt: skip


def _heldout_sample(task: SignalTask, examples: Examples) -> Examples:
    """The held-out examples that are kept: equally many of each group and class, in turn."""
    generator = np.random.default_rng(task.seed)
    parts = [
        generator.permutation(np.flatnonzero((examples.groups == group) & (examples.labels == label)))
        for group in task.heldout
        for label in range(2)
    ]
    turns = [part[turn] for turn in range(max(map(len, parts))) for part in parts if turn < len(part)]
    return examples.take(np.array(turns[: task.kept]))


def _keep(task: SignalTask, name: str, examples: Examples, output: Path) -> None:
    """Write examples beside the models, as `macaw verify` takes them."""
    arrays: dict[str, Any] = {INPUT: examples.inputs, "labels": examples.labels, task.group: examples.groups}
    np.savez_compressed(output / f"{name}_{'x'.join(map(str, examples.inputs.shape[1:]))}.npz", **arrays)


def recreate(task: SignalTask, data: Path, output: Path, forms: Sequence[Form], folds: bool) -> None:
    """Train the forms, write their models, held-out inputs and results, and the table in README.md."""
    output.mkdir(parents=True, exist_ok=True)
    results_path = output / "accuracy.json"
    results = json.loads(results_path.read_text()) if results_path.is_file() else {}
    for form in forms:
        network = task.networks[form]
        examples = task.load(data, network)
        path = output / model_file(task, form)
        result = _evaluate(task, form, examples, task.heldout, path)
        result |= {"input": list(network.shape), "features": network.features, "hidden": network.hidden, "classes": network.classes}
        if folds:
            result["folds"] = _folds(task, form, examples)
        results[form.value] = result
        _keep(task, "heldout", _heldout_sample(task, examples), output)
        if task.whole:
            _keep(task, "all", examples, output)
        print(f"{form.value}: {result['exported']} of {result['examples']} held-out examples right", flush=True)
    ordered = {form.value: results[form.value] for form in Form if form.value in results}
    results_path.write_text(json.dumps(ordered, indent=1) + "\n")
    write_table(task, ordered, output / "README.md")


def _folds(task: SignalTask, form: Form, examples: Examples) -> dict[str, Any]:
    """Each fold held out in turn: how many examples are right in all of them."""
    right: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for heldout in task.folds:
            result = _evaluate(task, form, examples, heldout, Path(folder, "model.onnx"))
            right |= result["groups"]
    return {"right": sum(pair[0] for pair in right.values()), "examples": sum(pair[1] for pair in right.values()), "groups": right}


def write_table(task: SignalTask, results: dict[str, Any], page: Path) -> None:
    """Put the results into the section "accuracy" of the page, if there is one."""
    titles = {Form.REAL: "real (int8)", Form.CLASSIFIER: "binary classifier", Form.BINARY: "fully binary"}
    heldout = ", ".join(map(str, task.heldout))
    rows = [
        f"| Form | Model | Input | Classifier | {task.group} {heldout}: as trained | as exported | all {task.group}s, each held out once |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for form, title in titles.items():
        if form.value not in results:
            continue
        item = results[form.value]
        shape = " x ".join(map(str, item["input"]))
        every = _share(item["folds"]["right"], item["folds"]["examples"]) if "folds" in item else "not run"
        rows.append(
            f"| {title} | `{model_file(task, form)}` | {shape} | {item['features']}-{item['hidden']}-{item['classes']} "
            f"| {_share(item['trained'], item['examples'])} | {_share(item['exported'], item['examples'])} | {every} |"
        )
    if page.is_file():
        write_section(page, "accuracy", "\n".join(rows))


def _share(right: int, total: int) -> str:
    return f"{right} of {total} ({100 * right / total:.1f} %)"


def check(task: SignalTask, output: Path) -> int:
    """Run the models that are there on the held-out inputs that are there; 0 if all that is there can be run."""
    for form, network in task.networks.items():
        path = output / model_file(task, form)
        with np.load(output / f"heldout_{'x'.join(map(str, network.shape))}.npz", allow_pickle=False) as archive:
            inputs, labels = archive[INPUT], archive["labels"]
        print(f"{path.name}: {_share(_right(reference_scores(path, inputs), labels), len(labels))} right", flush=True)
    return 0


def run_script(task: SignalTask, argv: Sequence[str] | None = None) -> int:
    """The command line of a folder's script."""
    parser = argparse.ArgumentParser(description=f"Train and export {task.title}.")
    parser.add_argument("--data", type=Path, help=f"the file {task.data}")
    parser.add_argument("--output", type=Path, default=task.folder, metavar="DIR", help="where files are written (default: beside this script)")
    parser.add_argument("--forms", nargs="+", default=[form.value for form in Form], choices=[form.value for form in Form])
    parser.add_argument("--folds", action="store_true", help=f"also hold out each {task.group} once, for the table's last column")
    parser.add_argument("--check", action="store_true", help="train nothing: run the models that are there")
    arguments = parser.parse_args(argv)
    needed = ["onnxruntime"] if arguments.check else ["onnxruntime", "torch"]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        print(f"train.py needs {', '.join(missing)}; in the repository: pip install '.[train]'", file=sys.stderr)
        return 2
    if arguments.check:
        return check(task, arguments.output)
    if arguments.data is None or not arguments.data.is_file():
        print(f"train.py needs --data with the file {task.data}; README.md says where the data are from", file=sys.stderr)
        return 2
    recreate(task, arguments.data, arguments.output, [Form(name) for name in arguments.forms], arguments.folds)
    return 0
