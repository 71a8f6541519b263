#!/bin/sh
# Builds the virtual environment that every make target uses: sh tools/setup.sh .venv
# QTOWER_PYTHON names the interpreter to use; otherwise a Python 3.11 or 3.10 is looked for on
# PATH, then among those kept by pyenv and uv.
set -eu
venv=$1
wanted='import sys, venv, ensurepip; raise SystemExit(not (3, 10) <= sys.version_info[:2] <= (3, 11))'

# A pyenv shim exists for versions that are not active, so a name on PATH proves nothing: run it.
works() { "$1" -c "$wanted" >/dev/null 2>&1; }

find_python() {
    for candidate in ${QTOWER_PYTHON:-} python3.11 python3.10 python3 python \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.11*/bin/python3 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.10*/bin/python3 \
        "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/uv/python}"/cpython-3.11*/bin/python3 \
        "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/uv/python}"/cpython-3.10*/bin/python3
    do
        if works "$candidate"; then echo "$candidate"; return; fi
        if [ -n "${QTOWER_PYTHON:-}" ] && [ "$candidate" = "$QTOWER_PYTHON" ]; then return; fi
    done
}

python=$(find_python)
if [ -z "$python" ]; then
    if [ -n "${QTOWER_PYTHON:-}" ]; then
        echo "qtower: QTOWER_PYTHON=$QTOWER_PYTHON is not a working Python 3.10 or 3.11 with venv and pip." >&2
    else
        echo "qtower: needs Python 3.11 or 3.10 (with venv and pip); looked on PATH and in pyenv and uv and found neither. Install one, or set QTOWER_PYTHON to its path." >&2
    fi
    exit 1
fi

echo "qtower: building $venv with $("$python" -V) (a few minutes the first time)"
rm -rf "$venv"
"$python" -m venv "$venv"
# Compiled now, whatever PYTHONDONTWRITEBYTECODE says: the provider starts in a third of the time.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --compile \
    --constraint constraints.txt --editable '.[test]'
"$venv/bin/python" -m compileall -q src || true
touch "$venv/.ready"
