#!/bin/sh
# Runs a command as root. What it leaves in the tree belongs to the tree's owner afterwards, so that the next build of
# an ordinary user does not trip over it; only below .cache things stay root's (root file systems of test guests).
set -u
cd "$(dirname "$0")/.." || exit
owner=$(stat -c %u:%g .)

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

give_back() {
    as_root find . -xdev -path './.cache/*' -prune -o -user root -exec chown -h "$owner" {} +
}

if [ "${owner%%:*}" -ne 0 ]; then
    trap give_back EXIT
    trap 'exit 130' INT TERM
fi
as_root "$@"
