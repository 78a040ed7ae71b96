#!/bin/sh
# Installs what a target needs and the system lacks: sh .ci/deps.sh build|lint|fuzz|ci
# Nothing is asked of the package manager when nothing is missing.
set -eu
what=${1:-build}

have_build() {
    command -v cc >/dev/null 2>&1 && command -v make >/dev/null 2>&1 || return 1
    printf '%s\n' '#include <curl/curl.h>' '#include <curses.h>' '#include <cjson/cJSON.h>' \
        '#include <criterion/criterion.h>' '#include <openssl/evp.h>' 'int main(void){return 0;}' |
        cc -x c - -D_GNU_SOURCE -o /dev/null -lncursesw -ltinfo -lcurl -lcjson -lcrypto -lcriterion \
            >/dev/null 2>&1
}
have_lint() { have_build && command -v clang-format && command -v clang-tidy && command -v cppcheck; }
have_fuzz() {
    have_build && command -v clang &&
        echo 'int LLVMFuzzerTestOneInput(const char*p,unsigned long n){return p&&n?0:0;}' |
        clang -x c - -fsanitize=fuzzer,address -o /dev/null
}
have_nginx() { command -v nginx || [ -x /usr/sbin/nginx ]; }
have_ci() {
    have_lint && have_fuzz && have_nginx && command -v tmux && command -v setarch && command -v zsh &&
        command -v fish && command -v openssl && command -v curl
}

"have_$what" >/dev/null 2>&1 && exit 0

root=
if [ "$(id -u)" != 0 ]; then
    root=sudo
    command -v sudo >/dev/null 2>&1 || {
        echo "packages are missing and this user may not install them: README.md, Other systems" >&2
        exit 1
    }
fi
if command -v apt-get >/dev/null 2>&1; then
    pk="gcc libc6-dev make libncurses-dev libcurl4-openssl-dev libcjson-dev libcriterion-dev libssl-dev"
    case $what in
    lint) pk="$pk clang-format clang-tidy cppcheck" ;;
    fuzz) pk="$pk clang libclang-rt-14-dev" ;;
    ci) pk="$pk clang-format clang-tidy cppcheck clang libclang-rt-14-dev tmux util-linux ncurses-term locales-all zsh fish nginx openssl curl" ;;
    esac
    $root apt-get update -qq
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $pk
elif command -v dnf >/dev/null 2>&1; then
    $root dnf install -y gcc make ncurses-devel libcurl-devel cjson-devel criterion-devel openssl-devel
elif command -v pacman >/dev/null 2>&1; then
    $root pacman -S --needed --noconfirm gcc make ncurses curl cjson criterion openssl
elif command -v zypper >/dev/null 2>&1; then
    $root zypper install -y gcc make ncurses-devel libcurl-devel cJSON-devel criterion-devel libopenssl-devel
elif command -v apk >/dev/null 2>&1; then
    $root apk add build-base ncurses-dev curl-dev cjson-dev criterion-dev openssl-dev
else
    echo "no known package manager: install what README.md names under Other systems" >&2
    exit 1
fi
"have_$what" >/dev/null 2>&1 || {
    echo "packages for '$what' are still missing after the installation" >&2
    exit 1
}
