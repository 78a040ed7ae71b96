#!/bin/sh
# Real programs against what nibble writes: llama.cpp (through node-llama-cpp) must load every
# quantized demo file and agree with nibble's greedy tokens on the F32 file; @huggingface/gguf must
# parse the headers. Needs node, npm and a reachable npm registry; says what it skips.
set -eu
cd "$(dirname "$0")"
skip() {
    echo "real peers: skipped: $1"
    exit 0
}
command -v node >/dev/null 2>&1 || skip "node is not installed"
command -v npm >/dev/null 2>&1 || skip "npm is not installed"
case $(uname -m) in
x86_64) binary=@node-llama-cpp/linux-x64 ;;
aarch64) binary=@node-llama-cpp/linux-arm64 ;;
*) skip "no llama.cpp package for $(uname -m)" ;;
esac
if [ ! -d "node_modules/$binary" ]; then
    # Only the CPU package of this machine: the optional GPU packages are hundreds of megabytes.
    npm install --no-audit --no-fund --ignore-scripts --omit=optional --no-save \
        node-llama-cpp@3 @huggingface/gguf@0.3 "$binary@3" >/dev/null 2>&1 ||
        skip "the npm registry did not give node-llama-cpp"
fi
nibble=${NIBBLE:-../../build/nibble}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
node llama.mjs "$nibble" "$dir"
