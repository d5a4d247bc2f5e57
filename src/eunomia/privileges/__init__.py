"""Least privilege: what containers use of the kernel's interface, and what that makes of profiles. Changes nothing."""
