"""Denying in the kernel, by BPF programs on the hooks of its security modules, for as long as somebody asks for it."""
