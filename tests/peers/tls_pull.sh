#!/bin/sh
# A real TLS server between nibble and the fake Hub: nginx with a private authority is the endpoint
# (HTTP/2) and the storage that files are redirected to (ranges). What SSL_CERT_FILE names is
# believed, nothing else is. Needs Debian's nginx-light and openssl; says what it skips.
set -eu
cd "$(dirname "$0")/../.."
nibble=$(realpath "${NIBBLE:-build/nibble}")
hub=$(realpath "${FAKE_HUB:-build/tests/fake_hub}")
skip() {
    echo "TLS: skipped: $1"
    exit 0
}
PATH=$PATH:/usr/sbin
for tool in nginx openssl; do
    command -v $tool >/dev/null 2>&1 || skip "$tool is not installed"
done
[ -x "$nibble" ] && [ -x "$hub" ] || {
    echo "TLS: build/nibble and build/tests/fake_hub are not built" >&2
    exit 1
}
dir=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
fail() {
    echo "TLS: $1" >&2
    cat "$dir/out" >&2 2>/dev/null || true
    exit 1
}

# Two authorities; the server's certificate is the first one's.
for ca in ours other; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$ca" \
        -keyout "$dir/$ca.key" -out "$dir/$ca.pem" 2>/dev/null
done
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
    -keyout "$dir/server.key" -out "$dir/server.csr" 2>/dev/null
printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n' >"$dir/san"
openssl x509 -req -in "$dir/server.csr" -CA "$dir/ours.pem" -CAkey "$dir/ours.key" -CAcreateserial \
    -days 2 -extfile "$dir/san" -out "$dir/server.pem" 2>/dev/null

# A repository with one file of storage and one of git, and free ports for nginx.
mkdir -p "$dir/files" "$dir/www"
head -c 9000000 /dev/urandom >"$dir/files/m.gguf"
printf '{"model_type":"llama"}\n' >"$dir/files/config.json"
cp "$dir/files/m.gguf" "$dir/www/m.gguf"
ports=$(awk 'BEGIN { srand(); p = 20000 + int(rand() * 9000); print p, p + 1 }')
endpoint=${ports% *} storage=${ports#* }
token=hf_tls_test_token_0123456789
"$hub" --dir "ns/repo=$dir/files" --token $token --stay \
    --fault "GET hub:*/m.gguf redirect=https://localhost:$storage/m.gguf" >"$dir/hub.json" 2>"$dir/hub.err" &
pids="$pids $!"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -s "$dir/hub.json" ] && break
    sleep 0.2
done
behind=$(sed -n 's/.*"hub":"\([^"]*\)".*/\1/p' "$dir/hub.json")
[ -n "$behind" ] || fail "the fake Hub did not start"
user=
[ "$(id -u)" != 0 ] || user="user root;" # its workers read the scratch folder
tls="ssl_certificate $dir/server.pem; ssl_certificate_key $dir/server.key;"
cat >"$dir/nginx.conf" <<CONF
$user worker_processes 1; pid $dir/nginx.pid; error_log $dir/error.log; daemon off;
events { worker_connections 64; }
http {
  access_log off;
  log_format how '\$server_protocol \$request_method \$status \$http_range \$uri "\$http_authorization"';
  client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fcgi;
  uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;
  server { listen 127.0.0.1:$endpoint ssl http2; access_log $dir/endpoint.log how; $tls
           location / { proxy_pass $behind; proxy_set_header Host \$http_host; } }
  server { listen 127.0.0.1:$storage ssl http2; access_log $dir/storage.log how; $tls
           root $dir/www; }
}
CONF
nginx -c "$dir/nginx.conf" -e "$dir/error.log" 2>/dev/null &
pids="$pids $!"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -s "$dir/nginx.pid" ] && break
    sleep 0.2
done
[ -s "$dir/nginx.pid" ] || skip "nginx did not start: $(tail -n 1 "$dir/error.log")"

export HF_ENDPOINT="https://localhost:$endpoint" HF_HUB_ETAG_TIMEOUT=3 HF_HUB_DOWNLOAD_TIMEOUT=3
export HF_TOKEN=$token
unset HTTPS_PROXY https_proxy ALL_PROXY all_proxy SSL_CERT_DIR 2>/dev/null || true
refused() { # refused NAME [SSL_CERT_FILE]
    HF_HOME="$dir/home-$1" SSL_CERT_FILE="${2:-}" "$nibble" pull ns/repo:m.gguf >"$dir/out" 2>&1 && rc=0 || rc=$?
    [ "$rc" = 7 ] || fail "$1: exit $rc, expected 7"
    grep -q "certificate" "$dir/out" || fail "$1: the message does not name the certificate"
    [ -z "$(find "$dir/home-$1" -name '*m.gguf*' 2>/dev/null)" ] || fail "$1: something landed"
}
refused unknown
refused wrong "$dir/other.pem"
[ ! -s "$dir/endpoint.log" ] || fail "a request was made behind a refused certificate"

export HF_HOME="$dir/home" SSL_CERT_FILE="$dir/ours.pem"
"$nibble" pull ns/repo:m.gguf >"$dir/out" 2>&1 || fail "pull over TLS"
cmp -s "$(tail -n 1 "$dir/out")" "$dir/files/m.gguf" || fail "the file differs"
"$nibble" pull ns/repo:config.json >"$dir/out" 2>&1 || fail "pull of a small file"
"$nibble" verify >"$dir/out" 2>&1 || fail "verify"
grep -q '^HTTP/2.0 HEAD 302' "$dir/endpoint.log" || fail "no HTTP/2 to the endpoint"
grep -q '^HTTP/1.1 GET 206 bytes=' "$dir/storage.log" || fail "no ranges from the storage"
grep -q "$token" "$dir/endpoint.log" || fail "the endpoint got no token"
! grep -q "$token" "$dir/storage.log" || fail "the storage got the token"
echo "TLS: nginx: private authority believed, others refused; HTTP/2 and $(grep -c ' 206 ' "$dir/storage.log") ranges"
