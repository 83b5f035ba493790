"""The real form of a trained network as float32 ONNX, batch normalizations folded, ready for quantization."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto, helper, numpy_helper

from .qonnx_export import INPUT, IR_VERSION, OPSET, OUTPUT, folded
from .signal_network import FloatArray, PoolSpec, SignalNetwork

if TYPE_CHECKING:
    import torch

__all__ = ["float_model"]


def float_model(network: SignalNetwork, model: torch.nn.Sequential) -> onnx.ModelProto:
    """A network of ``Form.REAL``: Conv, Relu, MaxPool, AveragePool, Flatten and Gemm, for a batch of 1."""
    modules: Iterator[torch.nn.Module] = iter(model)
    nodes: list[onnx.NodeProto] = []
    parameters: dict[str, FloatArray] = {}
    tensor = INPUT

    def add(operator: str, name: str, *others: str, **attributes: object) -> None:
        nonlocal tensor
        nodes.append(helper.make_node(operator, [tensor, *others], [f"{name}_out"], name, **attributes))
        tensor = f"{name}_out"

    def fold(name: str) -> tuple[str, str]:
        weights, bias = folded(next(modules), next(modules))
        parameters[f"{name}.weight"], parameters[f"{name}.bias"] = weights, bias
        return f"{name}.weight", f"{name}.bias"

    for layer in network.layers:
        if isinstance(layer, PoolSpec):
            next(modules)
            operator = "MaxPool" if layer.kind == "max" else "AveragePool"
            add(operator, layer.name, kernel_shape=layer.kernel, strides=layer.stride)
            continue
        add("Conv", layer.name, *fold(layer.name), kernel_shape=layer.kernel, pads=[*layer.padding, *layer.padding])
        next(modules)
        add("Relu", f"{layer.name}_relu")
    next(modules), next(modules)  # torch's own Flatten, and the dropout
    add("Flatten", "flatten", axis=1)
    add("Gemm", "hidden", *fold("hidden"), transB=1)
    next(modules)
    add("Relu", "hidden_relu")
    last = next(modules)
    parameters["classes.weight"] = last.weight.detach().numpy()
    parameters["classes.bias"] = last.bias.detach().numpy()
    add("Gemm", "classes", "classes.weight", "classes.bias", transB=1)
    nodes[-1].output[0] = OUTPUT
    graph = helper.make_graph(
        nodes,
        network.name,
        inputs=[helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, *network.shape])],
        outputs=[helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, network.classes])],
        initializer=[numpy_helper.from_array(array, name) for name, array in parameters.items()],
    )
    imports = [helper.make_opsetid("", OPSET)]
    model_proto = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="macaw-examples")
    onnx.checker.check_model(model_proto, full_check=True)
    return model_proto
