#!/bin/sh
# Runs the tests with this Python; with arguments what they say. Otherwise all: those of guest kernels behind the others,
# since emulation takes every CPU there is, and two at a time, since most of what runs in a guest uses one.
set -u
python=$1
shift
[ $# -eq 0 ] || exec "$python" -m pytest "$@"
status=0
"$python" -m pytest -m "not guest" || status=$?
"$python" -m pytest -m guest -n 2 || status=$?
exit $status
