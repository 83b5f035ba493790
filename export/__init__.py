"""A build as a part of somebody else's system: Verilog with a standard bus, and what FuseSoC, LiteX and Vivado want to know of it."""
