#!/bin/sh
# run.sh SECONDS TARGET: one libFuzzer target over its corpus. What it finds interesting is kept in
# build/fuzz/new/TARGET, what breaks it in build/fuzz/TARGET-*.
set -eu
seconds=$1 target=$2
# hfconfig writes a folder per run: 8,400 of them a second in memory, 180 on a disk.
[ ! -w /dev/shm ] || export TMPDIR="${TMPDIR:-/dev/shm}"
mkdir -p "build/fuzz/new/$target"
dict=tests/fuzz/$target.dict
log=build/fuzz/$target.log
set -- -max_total_time="$seconds" -timeout=2 -malloc_limit_mb=256 -rss_limit_mb=2560 \
    -max_len=65536 -len_control=50 -print_final_stats=1 -artifact_prefix="build/fuzz/$target-"
[ ! -f "$dict" ] || set -- "$@" "-dict=$dict"
if build/fuzz/target_"$target" "$@" "build/fuzz/new/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1; then
    echo "fuzz: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs in $seconds s, 0 reports"
else
    grep -v "^#" "$log" | tail -n 60
    echo "fuzz: $target FAILED; replay: build/tests/replay $target build/fuzz/$target-*"
    exit 1
fi
