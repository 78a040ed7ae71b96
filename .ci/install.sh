#!/bin/sh
# make install into a scratch root, run it from there, uninstall it again.
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
make --no-print-directory install DESTDIR="$root" PREFIX=/usr >/dev/null
"$root/usr/bin/nibble" --version
HOME=$root "$root/usr/bin/nibble" show demo >/dev/null
for f in bin/nibble share/man/man1/nibble.1 share/bash-completion/completions/nibble \
    share/zsh/site-functions/_nibble share/fish/vendor_completions.d/nibble.fish \
    share/nibble/themes/default.theme share/nibble/demo/model.safetensors; do
    test -s "$root/usr/$f" || {
        echo "install: $f is missing" >&2
        exit 1
    }
done
bash -n "$root/usr/share/bash-completion/completions/nibble"
if command -v zsh >/dev/null; then zsh -n "$root/usr/share/zsh/site-functions/_nibble"; fi
if command -v fish >/dev/null; then fish -n "$root/usr/share/fish/vendor_completions.d/nibble.fish"; fi
make --no-print-directory uninstall DESTDIR="$root" PREFIX=/usr >/dev/null
left=$(find "$root/usr" -type f)
[ -z "$left" ] || {
    echo "uninstall left: $left" >&2
    exit 1
}
echo "install: everything in its place, uninstall leaves nothing"
