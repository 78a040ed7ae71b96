#!/bin/sh
# The program on a Haswell and on a Nehalem without AVX, both by qemu: a wider instruction would end
# it. The Haswell's results are the native AVX2 ones, byte for byte. haswell.sh NIBBLE
set -eu
command -v qemu-x86_64 >/dev/null || {
    echo "haswell: needs Debian's qemu-user"
    exit 1
}
nibble=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
on() { # on CPU COMMAND...: qemu tells of features it lacks
    cpu=$1
    shift
    case $cpu in
    native) NIBBLE_CPU=avx2 "$@" ;;
    *) qemu-x86_64 -cpu "$cpu" "$@" 2>"$dir/err" || { grep -v "warning: TCG" "$dir/err"; exit 1; } ;;
    esac
}
level() {
    [ "$(on "$1" "$nibble" --version | sed 's/.*(\(.*\))/\1/')" = "$2" ] || {
        echo "haswell: $1 is not at level $2"
        exit 1
    }
}
level Haswell avx2
level Nehalem scalar
for cpu in native Haswell Nehalem; do
    for type in Q4_K_M Q8_0; do
        on "$cpu" "$nibble" quantize demo -t $type -o "$dir/$cpu.$type.gguf" -q --threads 1 >/dev/null
        cmp "$dir/native.$type.gguf" "$dir/$cpu.$type.gguf"
        on "$cpu" "$nibble" chat "$dir/$cpu.$type.gguf" -p "Hello" -n 8 --temp 0 -q >"$dir/$cpu.$type.txt"
    done
done
for type in Q4_K_M Q8_0; do
    cmp "$dir/native.$type.txt" "$dir/Haswell.$type.txt"
done
echo "haswell: same files and answers"
