#!/bin/sh
# Format, file and function sizes, unfinished marks, static analysis.
set -u
bad=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
files=$(git ls-files '*.c' '*.h')
# shellcheck disable=SC2086
clang-format --dry-run -Werror $files 2>"$tmp/format" || {
    echo "format: run make fmt"
    grep -m 10 'error:' "$tmp/format"
    bad=1
}
# Over 600 lines a file fails; over 100 a function fails, over 60 it is named.
for f in $files; do
    n=$(wc -l <"$f")
    [ "$n" -le 600 ] || { echo "size: $f has $n lines"; bad=1; }
done
# shellcheck disable=SC2086
awk 'FNR == 1 { open = 0 }
     /^\{$/ { open = FNR }
     /^\}/ { n = open ? FNR - open : 0; open = 0
             if (n > 60) printf "size: %s:%d: function of %d lines\n", FILENAME, FNR - n, n
             if (n > 100) over = 1 }
     END { exit over }' $files || { echo "size: a function is over 100 lines"; bad=1; }
if git grep -nE '\b(TODO|FIXME|XXX|HACK)\b' -- '*.c' '*.h' '*.def' Makefile; then
    echo "unfinished marks"
    bad=1
fi
# Bugs that tests are to catch (make planted) must still change the line they are made for.
grep -v '^#' tests/planted/bugs >"$tmp/bugs"
while IFS= read -r row; do
    row=${row#*| } f=${row%% |*} row=${row#*| }
    sed "${row% |*}" "$f" >"$tmp/planted"
    ! cmp -s "$f" "$tmp/planted" || { echo "planted: nothing in $f matches ${row% |*}"; bad=1; }
done <"$tmp/bugs"
checks='-*,bugprone-*,clang-analyzer-*,cert-*,concurrency-*'
for off in clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling \
    bugprone-easily-swappable-parameters bugprone-narrowing-conversions bugprone-reserved-identifier \
    cert-dcl37-c cert-dcl51-cpp cert-err33-c bugprone-implicit-widening-of-multiplication-result \
    concurrency-mt-unsafe bugprone-branch-clone cert-msc51-cpp bugprone-assignment-in-if-condition \
    bugprone-sizeof-expression clang-analyzer-optin.performance.Padding clang-analyzer-valist.Uninitialized; do
    checks="$checks,-$off"
done
product=$(git ls-files 'core/*.c' 'tui/*.c' 'kernels/*.c' 'downloads/*.c' | grep -v '/x86/\|/arm/')
# One file a process: what follows -- is the compiler's. The analyzer looks at so many states of one
# function before it leaves it. Its own default is 225000: `LINT_STATES=225000 make lint` takes four times as long.
states=${LINT_STATES:-30000}
echo "$product" | xargs -P 2 -I '{}' clang-tidy --quiet --warnings-as-errors='*' --checks="$checks" '{}' \
    -- -std=c11 -D_GNU_SOURCE -D_XOPEN_SOURCE_EXTENDED -I. '-DNB_VERSION="lint"' \
    '-DNB_PREFIX="/usr/local"' -Xclang -analyzer-config -Xclang "max-nodes=$states" >"$tmp/tidy" 2>"$tmp/tidy.err" || {
    bad=1
    grep -vE 'warnings? (generated|treated)|^Suppressed|^Use -header' "$tmp/tidy.err" | sort -u | head -10
    grep -E '(error|warning):' "$tmp/tidy" | sort -u | head -40
}
# shellcheck disable=SC2086
cppcheck -q -j2 --enable=warning,portability --inline-suppr --std=c11 --error-exitcode=1 -I. \
    --suppress=missingIncludeSystem '-DNB_VERSION="lint"' '-DNB_PREFIX="/usr/local"' $product || bad=1
[ $bad = 0 ] && echo "lint: clean"
exit $bad
