#!/bin/sh
# tsan.sh PLAIN SUITE: one suite under ThreadSanitizer, told in one piece.
said=$(setarch -R "$1" "$2" 2>&1)
rc=$?
printf 'tsan: %s\n%s\n' "$2" "$said"
exit $rc
