#!/bin/sh
# Real programs against what nibble writes: llama.cpp (through node-llama-cpp) must load every
# quantized demo file, tokenize alike and agree with nibble's greedy tokens on the F32 file;
# @huggingface/gguf must parse the headers. Needs node 20, npm and a reachable npm registry; says
# what it skips. NIBBLE_PEERS is a node_modules that has both already.
set -eu
cd "$(dirname "$0")"
skip() {
    echo "real peers: skipped: $1"
    exit 0
}
nibble=$(realpath "${NIBBLE:-../../build/nibble}")
[ -x "$nibble" ] || {
    echo "real peers: $nibble is not built (make)" >&2
    exit 1
}
command -v node >/dev/null 2>&1 || skip "node is not installed"
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || skip "node $major is older than 20"
case $(uname -m) in
x86_64) binary=@node-llama-cpp/linux-x64 ;;
aarch64) binary=@node-llama-cpp/linux-arm64 ;;
*) skip "no llama.cpp package for $(uname -m)" ;;
esac
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
if [ -n "${NIBBLE_PEERS:-}" ]; then
    ln -s "$(realpath "$NIBBLE_PEERS")" "$dir/node_modules"
else
    command -v npm >/dev/null 2>&1 || skip "npm is not installed"
    timeout 20 npm view node-llama-cpp@3 version >/dev/null 2>&1 || skip "the npm registry does not answer"
    # Only the CPU package of this machine: the optional GPU packages are hundreds of megabytes.
    cp package.json "$dir/"
    timeout 90 npm install --prefix "$dir" --no-audit --no-fund --ignore-scripts --omit=optional \
        --no-save "$binary@3" >"$dir/npm.log" 2>&1 || {
        tail -n 5 "$dir/npm.log"
        skip "npm did not install node-llama-cpp within 90 s"
    }
fi
cp llama.mjs "$dir/"
timeout -k 5 100 node "$dir/llama.mjs" "$nibble" "$dir" || {
    rc=$?
    [ $rc != 124 ] || echo "real peers: no end after 100 s" >&2
    exit 1
}
