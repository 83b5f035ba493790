"""External memory: its port, controllers, and what reads weights from it."""
