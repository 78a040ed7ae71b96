#!/bin/sh
# Lines and branches of the parsers that their tests and fault scenarios reach (reliability A35:
# 98 and 92 % at least). Wants build/gcov, which `make coverage` builds: counters, no optimization.
set -eu
b=build/gcov
find $b -name '*.gcda' -exec rm {} +
# Without optimization a test about time may fail; what it reached counts all the same.
$b/tests/plain json gguf safetensors weights hf spm kv card corpus library >$b/log 2>&1 || grep FAILED $b/log
$b/tests/faults --all json_tree json_pull gguf_open gguf_layout hf_open library_scan >/dev/null
for f in core/files/gguf_read.c core/files/safetensors.c core/files/hf*.c core/files/spm.c \
    core/files/kv.c core/files/index.c core/base/json_pull.c core/base/json_tree.c; do
    gcov -b -n -o "$b/obj/$(dirname $f)" "$f" 2>/dev/null | awk -v f="$f" -F '[:%]' '
        /^File/ { mine = index($0, f) }
        mine && /^Lines executed/ { lines = $2 }
        mine && /^Taken at least once/ { printf "%-26s %6.2f %% of lines %6.2f %% of branches\n", f, lines, $2
                                         exit lines < 98 || $2 < 92 }' ||
        { echo "coverage: $f is below 98 % of lines or 92 % of branches"; bad=1; }
done
exit "${bad:-0}"
