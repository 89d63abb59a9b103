# shellcheck shell=bash
# The environment in which the function is built so that two builds of one commit have the same bytes.
# Sourced at the root of the repository, by what builds releases and by what is compared with them.
# RELEASING.md says what this is for, thing by thing.

# prepare_release_build TARGET ...: for these targets of Rust.
prepare_release_build() {
    local name target cargo_home=${CARGO_HOME:-$HOME/.cargo} target_dir=${CARGO_TARGET_DIR:-target}
    local flags folder sysroot commit
    for name in RUSTFLAGS CARGO_ENCODED_RUSTFLAGS; do
        if [[ -n ${!name:-} ]]; then
            echo "$name is set, and would take the place of the flags that a release is built with. Unset it." >&2
            return 1
        fi
    done

    # The folders of the registry are named after where they came from, once something is in them.
    for target in "$@"; do
        cargo fetch --locked --target "$target"
    done

    # Messages of a panic name the file they come from; wherever it lies, it gets one name. What comes
    # later on the list wins.
    sysroot=$(rustc --print sysroot)
    commit=$(rustc --version --verbose | sed -n 's/^commit-hash: //p')
    flags="--remap-path-prefix=$PWD=/agent-relay"
    [[ $target_dir == /* ]] || target_dir=$PWD/$target_dir
    flags+=" --remap-path-prefix=$target_dir=/agent-relay/target"
    for folder in "$cargo_home"/registry/src/*/; do
        flags+=" --remap-path-prefix=${folder%/}=/registry"
    done
    flags+=" --remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rustc/$commit"
    if [[ $PWD$cargo_home$target_dir$sysroot == *[[:space:]]* ]]; then
        echo "There is a space in the path of the repository, of CARGO_HOME, CARGO_TARGET_DIR or Rust." \
            "cargo takes no flags with spaces from the environment: build elsewhere." >&2
        return 1
    fi
    # Not RUSTFLAGS: that would take the place of the CPU that cargo-lambda names in the configuration.
    export CARGO_BUILD_RUSTFLAGS=$flags

    date_the_page
}

# The page's files are in the binary together with the time at which they were last changed, which in a
# checkout is when it was made. It is used for nothing, and here always the same.
date_the_page() {
    local changed
    changed=$(TZ=UTC find dist/page -type f ! -newermt '1980-01-01 00:00:01' -newermt '1979-12-31 23:59:59' | wc -l)
    if ((changed == $(find dist/page -type f | wc -l))); then
        return
    fi
    find dist/page -type f -exec env TZ=UTC touch --date='1980-01-01 00:00:00' {} +
    # For cargo, files that got older have not changed; this one has, and embeds them anew.
    touch src/page.rs
}
