#!/bin/sh
# Real keys through a real terminal multiplexer: the first minute of a new user, at 80x24 and
# 120x40 (tui 2, 8, 12, 17). tests/pty/tmux.sh [NIBBLE]; says what it skips when tmux is absent.
set -u
nibble=$(readlink -f "${1:-build/nibble}")
command -v tmux >/dev/null 2>&1 || {
    echo "tmux: skipped: tmux is not installed"
    exit 0
}
home=$(mktemp -d)
socket=nibble-test-$$
t() { tmux -L "$socket" -f /dev/null "$@"; }
trap 't kill-server 2>/dev/null; rm -rf "$home"' EXIT
passed=0 failed=0

screen() { t capture-pane -p -t main; }
# wait_for TEXT: up to 15 s until the text is on the screen.
wait_for() {
    for _ in $(seq 150); do
        screen | grep -qF -- "$1" && return 0
        sleep 0.1
    done
    echo "tmux: \"$1\" did not appear; the screen was:" >&2
    screen >&2
    return 1
}
check() { # check NAME COMMAND...
    name=$1
    shift
    if "$@"; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAILED tmux: $name" >&2
    fi
}
has() { screen | grep -qF -- "$1"; }
start() { # start WIDTH HEIGHT
    t new-session -d -s main -x "$1" -y "$2" \
        "env HOME=$home XDG_CONFIG_HOME= XDG_DATA_HOME= XDG_STATE_HOME= XDG_CACHE_HOME= LC_ALL=C.UTF-8 '$nibble' demo; stty -a; echo ended; sleep 60"
}

first_minute() { # at any size: quantize while watching, chat with both
    check "$1: Quantize opens on the demo" wait_for "Ctrl-R quantizes it"
    check "$1: help and palette are on the last row" has "? keys  : palette"
    t send-keys -t main C-r
    check "$1: a quick run is replayed, and says so" wait_for "replay"
    t send-keys -t main t
    check "$1: two panes are ready" wait_for "Ask something"
    t send-keys -t main -l "What is Q4_K?"
    t send-keys -t main Enter
    check "$1: both answer and the difference is marked" wait_for "first difference"
    check "$1: the source answers right" has "256 weights"
    t send-keys -t main Escape && sleep 0.2 # else it is Alt-F
    t send-keys -t main F
    check "$1: F scores the source's answer in the new model" wait_for "reference of KL, "
    check "$1: the mean has its error and its number" has "(n "
    check "$1: every token has its cell" has "nats"
    t send-keys -t main n
    check "$1: the token at the difference says its KL" wait_for "token "
    t send-keys -t main Escape && sleep 0.2
    t send-keys -t main i
    t send-keys -t main -l "one"
    t send-keys -t main C-j
    t send-keys -t main -l "two"
    check "$1: Ctrl-J is a new line, nothing is sent" wait_for "two"
    for _ in 1 2 3 4 5; do t send-keys -t main Escape && sleep 0.1; done
    check "$1: Esc never quits" has "nibble"
    t send-keys -t main C-q
    check "$1: Ctrl-Q quits and the terminal is sane again" wait_for "ended"
    check "$1: echo is on" has " echo "
    t kill-session -t main
    sleep 0.3
}

start 120 40
first_minute 120x40
rm -rf "$home" && mkdir "$home"
start 80 24
first_minute 80x24

start 100 30
check "resize: opens" wait_for "Recipe"
t resize-window -t main -x 60 -y 15
t resize-window -t main -x 110 -y 35
check "resize: the screen follows" wait_for "Ctrl-R run"
t kill-session -t main 2>/dev/null

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
