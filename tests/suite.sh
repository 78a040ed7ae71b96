#!/bin/sh
# suite.sh PLAIN SUITE [SECONDS]: one suite in a process of its own under a sanitizer, told in one
# piece, so that several can run beside each other. ThreadSanitizer wants fixed addresses.
begin=$(date +%s)
said=$(
    echo
    timeout "${3:-600}" setarch -R "$1" "$2" 2>&1
    rc=$?
    times
    exit $rc
)
rc=$?
# Two lines of times end it, the shell's and what its children took of the processors.
cpu=${said##*
}
printf '%s: %d s, CPU %s%s\n' "$2" $(($(date +%s) - begin)) "$cpu" "${said%
*
*}"
[ $rc != 124 ] || echo "$2: no end after ${3:-600} s"
exit $rc
