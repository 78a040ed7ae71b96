#!/bin/sh
# The tests themselves work (reliability A35): each row of tests/planted/bugs puts one bug into a copy
# of one file; the suites it names must fail then, and pass without it. Leaks count (LeakSanitizer).
# run.sh BUILD [WORD]: the rows whose line holds it.
set -eu
word=${2:-} out=$1/planted
# Some tests ask for more than there is.
export LSAN_OPTIONS=allocator_may_return_null=1
rows=0 missed=0
mkdir -p "$out"
build() { # build FILE-OR-NOTHING: the test program with the copy in place of that file
    make --no-print-directory -s PLANT="$1" "$out/plain" >"$out/log" 2>&1 || { cat "$out/log"; exit 2; }
}
fails() { ! timeout 300 "$out/plain" "$@" >"$out/log" 2>&1; }
trim() { printf %s "$1" | sed 's/^ *//; s/ *$//'; }

build ""
sed '/^#/d; s/.*|//' tests/planted/bugs | tr -s ' ' '\n' | sed '/^$/d' | sort -u >"$out/suites"
while read -r suite; do
    [ -n "$word" ] || ! fails "$suite" || { cat "$out/log"; echo "planted: $suite fails without a bug"; exit 2; }
done <"$out/suites"
sed '/^#/d' tests/planted/bugs | grep -F -e "$word" >"$out/rows" || { echo "planted: no row"; exit 2; }
while IFS= read -r row; do
    name=$(trim "${row%%|*}") rest=${row#*|}
    file=$(trim "${rest%%|*}") rest=${rest#*|}
    suites=$(trim "${rest##*|}") edit=$(trim "${rest%|*}")
    mkdir -p "$out/src/$(dirname "$file")"
    sed "$edit" "$file" >"$out/src/$file"
    if cmp -s "$file" "$out/src/$file"; then
        echo "planted: $name: nothing in $file matches any more"
        exit 2
    fi
    build "$file"
    rows=$((rows + 1))
    # shellcheck disable=SC2086
    if fails $suites; then
        echo "planted: caught  $name ($file)"
    else
        echo "planted: MISSED  $name ($file) by $suites"
        missed=$((missed + 1))
    fi
    rm -r "$out/src"
done <"$out/rows"
echo "planted: $((rows - missed)) of $rows caught"
[ "$missed" = 0 ]
