#!/bin/sh
# Real programs against what nibble writes and reads: llama.cpp (through node-llama-cpp) must load
# every quantized demo file, tokenize alike and agree with nibble's greedy tokens on the F32 file, cut
# words alike for every family of pre-tokenizers, have nibble's logits for a tiny model of every
# architecture, and give through an endpoint the answers that it gives; @huggingface/gguf must parse
# the headers, of an importance matrix too; @huggingface/hub and nibble must find in one Hugging Face
# cache what the other downloaded from the fake Hub. Needs node 20, npm and a reachable npm registry;
# says what it skips. NIBBLE_PEERS is a node_modules that has all of them already.
set -eu
cd "$(dirname "$0")"
skip() {
    echo "real peers: skipped: $1"
    exit 0
}
nibble=$(realpath "${NIBBLE:-../../build/nibble}")
fake_hub=$(dirname "$nibble")/tests/fake_hub
archs=$(dirname "$nibble")/tests/archs
PEER_DEMO=$(realpath ../data/nibble-demo)
export PEER_DEMO
for program in "$nibble" "$fake_hub" "$archs"; do
    [ -x "$program" ] || {
        echo "real peers: $program is not built (make, make build/tests/fake_hub build/tests/archs)" >&2
        exit 1
    }
done
command -v node >/dev/null 2>&1 || skip "node is not installed"
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || skip "node $major is older than 20"
case $(uname -m) in
x86_64) binary=@node-llama-cpp/linux-x64@3 ;;
aarch64) binary=@node-llama-cpp/linux-arm64@3 ;;
*) binary= ;;
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
        --no-save ${binary:+"$binary"} >"$dir/npm.log" 2>&1 || {
        tail -n 5 "$dir/npm.log"
        skip "npm did not install the peers within 90 s"
    }
fi

failed=0
peer() { # SCRIPT PACKAGE [ARGUMENT...]
    [ -d "$dir/node_modules/$2" ] || {
        echo "real peers: skipped: $2 is not there"
        return 0
    }
    script=$1
    shift 2
    cp "$script" "$dir/"
    mkdir "$dir/$script.d"
    rc=0
    timeout -k 5 160 node "$dir/$script" "$nibble" "$@" "$dir/$script.d" || rc=$?
    [ $rc != 124 ] || echo "real peers: $script: no end after 160 s" >&2
    [ $rc = 0 ] || failed=1
}
peer hub.mjs @huggingface/hub "$fake_hub"
if [ -n "$binary" ]; then
    peer llama.mjs node-llama-cpp
    peer imatrix.mjs node-llama-cpp
    peer archs.mjs node-llama-cpp "$archs"
    peer words.mjs node-llama-cpp
    peer remote.mjs node-llama-cpp
else
    echo "real peers: skipped: no llama.cpp package for $(uname -m)"
fi
exit $failed
