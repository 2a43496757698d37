# Sourced by the other scripts: makes .venv from pyproject.toml, with the versions pinned in constraints.txt.
# Set EXTRAS to a comma-separated list of pyproject.toml's extras, or to nothing, before.

PYTHON=${PYTHON:-}
if [ -z "$PYTHON" ]; then
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            PYTHON=$candidate
            break
        fi
    done
fi
if [ -z "$PYTHON" ]; then
    echo "jaxvec needs Python 3.11 or newer; set PYTHON to one" >&2
    exit 1
fi

stamp=.venv/.made-from
wanted="$EXTRAS $(cat pyproject.toml constraints.txt | cksum)"
if [ ! -x .venv/bin/python ]; then
    echo "making .venv with $("$PYTHON" --version)"
    "$PYTHON" -m venv .venv
fi
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "installing pinned versions (a few minutes the first time)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".${EXTRAS:+[$EXTRAS]}"
    echo "$wanted" >"$stamp"
fi
