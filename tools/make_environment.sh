#!/bin/sh
# Makes a virtual environment with pip in it, also where Debian's python3-venv is not installed.
# usage: make_environment.sh FOLDER [PYTHON]
set -eu

folder=$1
wanted=${2:-}

is_supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

python=
for candidate in $wanted python3 python3.13 python3.12 python3.11 python; do
    if command -v "$candidate" >/dev/null 2>&1 && is_supported "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "no Python 3.11, 3.12 or 3.13 found; install one, or call make PYTHON=/path/to/python" >&2
    exit 1
fi

if "$python" -m venv "$folder" >/dev/null 2>&1 && "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

# Debian splits ensurepip out of Python. Without it, make a bare environment and bring pip from where it is to be had.
rm -rf "$folder"
"$python" -m venv --without-pip "$folder"
if "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m pip --python "$folder/bin/python" install --quiet pip && exit 0
fi
exec "$folder/bin/python" "$(dirname "$0")/fetch_pip.py"
