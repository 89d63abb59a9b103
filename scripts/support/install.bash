# shellcheck shell=bash
# Installations that more than one script makes; they are sourced, at the root of the repository. Each
# leaves a stamp with the hash of what it was made from, and does nothing while that stays the same.

# install_venv NAME REQUIREMENTS: makes the virtual environment .venv/NAME anew.
install_venv() {
    local venv=.venv/$1 requirements=tests/python/$2 stamp=.venv/$1/.installed-from wanted
    need_python
    wanted=$(
        python3 --version
        sha256sum "$requirements"
    )
    if is_current "$stamp" "$wanted"; then
        echo "$venv is up to date."
        return
    fi
    # Debian ships venv and its pip apart from Python.
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        install_debian_packages python3-venv
    fi
    echo "Installing $requirements into $venv."
    python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --requirement "$requirements"
    echo "$wanted" >"$stamp"
}

install_debian_packages() {
    local -a as_root=()
    if ! command -v apt-get >/dev/null; then
        echo "Missing: $*. This script can install them on Debian and Ubuntu only;" \
            "install them by hand and run it again." >&2
        return 1
    fi
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null || ! sudo --non-interactive true; then
            echo "Missing: $*. Installing them takes root's rights; run" \
                "'apt-get install $*' as root, then this script again." >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "Installing with apt: $*"
    "${as_root[@]}" apt-get update --quiet=2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --quiet=2 --yes --no-install-recommends "$@" >/dev/null
}

need_python() {
    need python3 "Python 3.11 or later"
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "Python 3.11 or later is needed; this is $(python3 --version)." >&2
        return 1
    fi
    echo "$(python3 --version) is there."
}

# need COMMAND DESCRIPTION
need() {
    if ! command -v "$1" >/dev/null; then
        echo "$1 was not found; install $2 first." >&2
        return 1
    fi
}

# is_current STAMP WANTED
is_current() {
    [[ -f $1 && $(<"$1") == "$2" ]]
}
