"""A float ONNX network with int8 weights and activations in the QDQ form, by ONNX Runtime's quantizer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

__all__ = ["quantize"]


def quantize(model: onnx.ModelProto, calibration: npt.NDArray[np.float32]) -> onnx.ModelProto:
    """``model``, whose shapes are static and whose one input has a batch of 1, quantized: weights for each output channel and
    symmetric, activations for each tensor and asymmetric, by the range that they have for ``calibration``."""
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as quantize_model
    from onnxruntime.quantization.shape_inference import quant_pre_process

    name = model.graph.input[0].name

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.inputs: Iterator[npt.NDArray[np.float32]] = iter(calibration)

        def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
            values = next(self.inputs, None)
            return None if values is None else {name: values[np.newaxis]}

    with tempfile.TemporaryDirectory() as directory:
        source, prepared, target = (str(Path(directory, part)) for part in ("f.onnx", "p.onnx", "q.onnx"))
        onnx.save(model, source)
        # Every shape is static: neither the symbolic inference nor the optimizer has anything to add.
        quant_pre_process(source, prepared, skip_optimization=True, skip_symbolic_shape=True)
        quantize_model(
            prepared,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Relu", "MaxPool", "AveragePool", "Flatten", "Gemm"],
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            # Weights stay within -64..64. On a CPU that has AVX2 but not VNNI, onnxruntime's int8 kernels (u8s8, and
            # s8s8, which becomes u8s8) add two products in a saturating 16-bit lane: with 8-bit weights the sum can
            # reach 2*255*127 = 64770 > 32767, and the result would depend on the CPU; 2*255*64 = 32640 always fits.
            reduce_range=True,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
        )
        quantized = onnx.load(target)

    # The quantizer drops or never writes the shapes of the tensors it adds: infer all of them again.
    del quantized.graph.value_info[:]
    used = {node.domain for node in quantized.graph.node}
    imports = [entry for entry in quantized.opset_import if entry.domain in used]
    del quantized.opset_import[:]
    quantized.opset_import.extend(imports)
    del quantized.metadata_props[:]
    quantized = onnx.shape_inference.infer_shapes(quantized, check_type=True, strict_mode=True, data_prop=True)
    onnx.checker.check_model(quantized, full_check=True)
    return quantized
