#!/bin/sh
# Prints the Python to make the virtual environment with: 3.11 or newer, and complete
# (Debian and Ubuntu keep ensurepip in a package of its own, python3-venv).
for python in python3 /usr/bin/python3; do
    if "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        command -v "$python"
        exit 0
    fi
done
exit 1
