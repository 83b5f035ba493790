"""Macaw, the MAC-Array Weaver: quantized neural networks to verified FPGA accelerators with open tools."""

from importlib.metadata import version

__version__ = version("macaw")
