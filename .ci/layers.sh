#!/bin/sh
# Includes go one way: kernels <- core <- downloads <- tui, and inside core base <- files <- model
# <- quant <- eval. cJSON, curses and getenv live in one place each.
set -u
bad=0
deny() { # deny FILES REGEX MESSAGE [EXCEPT]
    list=$(git ls-files "$1" | grep -vE "${4:-^$}")
    [ -n "$list" ] || return 0
    # shellcheck disable=SC2086
    hits=$(grep -nE "$2" $list /dev/null)
    [ -z "$hits" ] || { echo "$3:"; echo "$hits"; bad=1; }
}
deny 'kernels/*.[ch]' '#include "(core|downloads|tui)/' 'kernels includes what stands above it'
deny 'core/*.[ch]' '#include "(downloads|tui)/' 'core includes what stands above it'
deny 'downloads/*.[ch]' '#include "tui/' 'downloads includes tui'
deny 'core/base/*.[ch]' '#include "core/(files|model|quant|eval)/' 'core/base includes a later room'
deny 'core/files/*.[ch]' '#include "core/(model|quant|eval)/' 'core/files includes a later room'
deny 'core/model/*.[ch]' '#include "core/(quant|eval)/' 'core/model includes a later room'
deny 'core/quant/*.[ch]' '#include "core/eval/' 'core/quant includes a later room'
deny '*.[ch]' '#include <cjson/' 'cJSON outside core/base/json' '^(core/base/json|tests/)'
deny '*.[ch]' '#include <(n?curses|term)\.h>' 'curses outside tui/term' '^(tui/term|tests/)'
deny 'kernels/*.[ch]' '\b(getenv|abort|exit|printf|puts|fprintf)\(' 'kernels reads the environment, prints or exits'
deny 'core/*.[ch]' '\b(abort|exit|printf|puts|fprintf|perror)\(' 'core prints or exits'
deny 'core/*.[ch]' '\bgetenv\(' 'core reads the environment outside config' '^core/base/(config|hub_env)'
deny 'downloads/*.[ch]' '\b(getenv|abort|exit|printf|puts|fprintf|perror)\(' 'downloads reads the environment, prints or exits'
deny '*.[ch]' '#include <curl/' 'curl outside downloads/' '^(downloads/|tests/)'
deny 'kernels/*.c' '#if.*(__AVX|__ARM_NEON|__SSE[34])' 'an ISA #if outside its own file' '^kernels/(x86|arm)/'
[ $bad = 0 ] && echo "layers: includes go one way"
exit $bad
