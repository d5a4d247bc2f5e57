"""Eunomia: a container monitor on eBPF."""

__version__ = "0.1.0"
