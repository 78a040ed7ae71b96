#!/bin/sh
# What the linked program promises: hardened, listens on nothing, no dangerous imports, names by
# folder, wide vector code only in the files that are dispatched to.
set -u
dir=$1 bad=0
say() { echo "$1"; bad=1; }
readelf -h "$dir/nibble" | grep -q 'DYN' || say "not a position-independent executable"
readelf -d "$dir/nibble" | grep -q 'NOW' || say "no immediate binding"
readelf -lW "$dir/nibble" | grep 'GNU_STACK' | grep -q 'RWE' && say "executable stack"
for f in listen bind accept system popen strcpy strcat sprintf gets; do
    nm -D --undefined-only "$dir/nibble" | grep -qE " U $f(@|$)" && say "imports $f"
done
for pair in kernels:nk_ core:nb_ downloads:dl_ tui:ui_; do
    folder=${pair%%:*} prefix=${pair##*:}
    extra=$(find "$dir/obj/$folder" -name '*.o' ! -name main.o -exec nm --defined-only -g {} + 2>/dev/null |
        awk 'NF == 3 {print $3}' | grep -vE "^($prefix|nb_)")
    [ -z "$extra" ] || say "$folder exports without its prefix: $(echo "$extra" | tr '\n' ' ' | head -c 300)"
done
if [ "$(uname -m)" = x86_64 ]; then
    wide=$(find "$dir/obj/kernels" "$dir/obj/core" "$dir/obj/tui" -name '*.o' ! -path '*/x86/*' |
        while read -r o; do objdump -d "$o" | grep -qE '%[yz]mm' && echo "$o"; done)
    [ -z "$wide" ] || say "wide vector code in baseline objects: $wide"
fi
[ $bad = 0 ] && echo "binary: hardened, no listener, prefixes kept"
exit $bad
