#!/bin/sh
# The network against nginx with TLS: a private authority accepted through SSL_CERT_FILE and refused
# without it, wrong and outdated certificates, HTTP/2, ranges, redirects to other ports and down to
# http, where the token goes (hub 13, 24, reliability A22). Needs nginx and openssl; says what it
# skips.
set -eu
cd "$(dirname "$0")/../.."
get=$(realpath "${NET_GET:-build/tests/net_get}")
[ -x "$get" ] || {
    echo "tls: $get is not built (make build/tests/net_get)" >&2
    exit 1
}
PATH=$PATH:/usr/sbin
for need in nginx openssl; do
    command -v $need >/dev/null 2>&1 || {
        echo "tls: skipped: $need is not installed"
        exit 0
    }
done
dir=$(mktemp -d)
server=
stop() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || :
    [ -z "$server" ] || wait "$server" 2>/dev/null || :
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT TERM

# --- an authority of our own, and one that nobody named -------------------------------------------
authority() { # NAME
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=nibble test $1" \
        -keyout "$dir/$1.key" -out "$dir/$1.pem" 2>/dev/null
}
certificate() { # NAME AUTHORITY SUBJECT-ALT-NAME DAYS
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$dir/$1.key" -out "$dir/$1.csr" \
        2>/dev/null
    echo "subjectAltName=$3" >"$dir/$1.ext"
    openssl x509 -req -in "$dir/$1.csr" -CA "$dir/$2.pem" -CAkey "$dir/$2.key" -CAcreateserial \
        -days "$4" -extfile "$dir/$1.ext" -out "$dir/$1.pem" 2>/dev/null
}
authority ours
authority other
certificate good ours IP:127.0.0.1,DNS:localhost 2
certificate wrongname ours DNS:elsewhere.example 2
certificate stranger other IP:127.0.0.1 2
certificate outdated ours IP:127.0.0.1 -1

# --- the server -----------------------------------------------------------------------------------
mkdir "$dir/www" "$dir/tmp"
head -c 3000000 /dev/urandom >"$dir/www/f"
config() { # FIRST-PORT
    cat <<END
daemon off; master_process off; pid $dir/pid; error_log $dir/error.log;
events { }
http {
  log_format line '\$server_port|\$server_protocol|\$request_method|\$uri|\$status|\$http_range|\$http_authorization|\$http_accept_encoding';
  access_log $dir/access.log line;
  client_body_temp_path $dir/tmp/a; proxy_temp_path $dir/tmp/b; fastcgi_temp_path $dir/tmp/c;
  uwsgi_temp_path $dir/tmp/d; scgi_temp_path $dir/tmp/e;
  gzip on; gzip_min_length 1; gzip_types *;
  root $dir/www;
  server {
    listen 127.0.0.1:$1 ssl http2; ssl_certificate $dir/good.pem; ssl_certificate_key $dir/good.key;
    location = /down { return 302 http://127.0.0.1:$(($1 + 4))/f; }
    location = /storage { return 302 https://127.0.0.1:$(($1 + 5))/f?Signature=secret; }
    location = /name { return 302 https://localhost:$1/f; }
    location = /own { return 307 /f?q=%22x%22; }
  }
  server { listen 127.0.0.1:$(($1 + 1)) ssl; ssl_certificate $dir/wrongname.pem; ssl_certificate_key $dir/wrongname.key; }
  server { listen 127.0.0.1:$(($1 + 2)) ssl; ssl_certificate $dir/stranger.pem; ssl_certificate_key $dir/stranger.key; }
  server { listen 127.0.0.1:$(($1 + 3)) ssl; ssl_certificate $dir/outdated.pem; ssl_certificate_key $dir/outdated.key; }
  server { listen 127.0.0.1:$(($1 + 4)); }
  server { listen 127.0.0.1:$(($1 + 5)) ssl http2; ssl_certificate $dir/good.pem; ssl_certificate_key $dir/good.key; }
}
END
}
start() { # FIRST-PORT; false when a port is taken
    config "$1" >"$dir/nginx.conf"
    nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/error.log" 2>"$dir/stderr" &
    server=$!
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ ! -s "$dir/pid" ] || return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    wait "$server" 2>/dev/null || :
    server=
    return 1
}
port=$((20000 + $$ % 20000))
tries=0
until start $port; do
    port=$((port + 6)) tries=$((tries + 1))
    [ $tries -lt 10 ] || {
        echo "tls: nginx does not start:" >&2
        cat "$dir/stderr" "$dir/error.log" >&2
        exit 1
    }
done
sum=$(sha256sum <"$dir/www/f" | cut -d' ' -f1)

# --- checks ---------------------------------------------------------------------------------------
bad=0 count=0
client() { # CA-FILE ARGUMENTS...: sees only what is named here
    ca=$1
    shift
    env -i HOME="$dir" PATH="$PATH" HF_TOKEN=hf_secret HF_ENDPOINT="https://127.0.0.1:$port" \
        ${ca:+SSL_CERT_FILE="$ca"} "$get" "$@" 2>"$dir/message"
}
expect() { # WHAT WANTED-BEGINNING GOT
    count=$((count + 1))
    case $3 in
    "$2"*) ;;
    *)
        echo "tls: $1: got \"$3\", not \"$2\": $(cat "$dir/message")" >&2
        bad=1
        ;;
    esac
}
last() { # the last line of the access log, once it is written
    sleep 0.1
    tail -n "${1:-1}" "$dir/access.log" | head -n 1
}
here=https://127.0.0.1:$port

expect "our authority" "200 OK 3000000 $sum" "$(client "$dir/ours.pem" $here/f)"
expect "HTTP/2 for calls" "$port|HTTP/2.0|GET|/f|200|-|Bearer hf_secret|identity" "$(last)"
expect "a stream" "200 OK 3000000 $sum" "$(client "$dir/ours.pem" --stream $here/f)"
expect "HTTP/1.1 for streams" "$port|HTTP/1.1|GET|/f|200|-|Bearer hf_secret|identity" "$(last)"
for kind in "" --stream; do
    part=$(tail -c +1000001 "$dir/www/f" | head -c 500000 | sha256sum | cut -d' ' -f1)
    # shellcheck disable=SC2086
    expect "a range $kind" "206 OK 500000 $part" \
        "$(client "$dir/ours.pem" $kind --range 1000000-1499999 $here/f)"
    expect "its header $kind" "206|bytes=1000000-1499999" "$(last | cut -d'|' -f5,6)"
    # shellcheck disable=SC2086
    expect "beyond the end $kind" "416 BAD_REQUEST" \
        "$(client "$dir/ours.pem" $kind --range 3000000-3000009 $here/f || :)"
    # shellcheck disable=SC2086
    expect "the system's authorities $kind" "0 CERTIFICATE 0" "$(client "" $kind $here/f || :)"
    # shellcheck disable=SC2086
    expect "another authority $kind" "0 CERTIFICATE 0" \
        "$(client "$dir/other.pem" $kind $here/f || :)"
    # shellcheck disable=SC2086
    expect "no such file $kind" "0 CERTIFICATE 0" "$(client "$dir/none.pem" $kind $here/f || :)"
done
expect "what to do" "1" "$(grep -c SSL_CERT_FILE "$dir/message")"
expect "another's name" "0 CERTIFICATE 0" "$(client "$dir/ours.pem" https://127.0.0.1:$((port + 1))/f || :)"
expect "a stranger's" "0 CERTIFICATE 0" "$(client "$dir/ours.pem" https://127.0.0.1:$((port + 2))/f || :)"
expect "an outdated one" "0 CERTIFICATE 0" "$(client "$dir/ours.pem" https://127.0.0.1:$((port + 3))/f || :)"
expect "plain http beside an https endpoint" "0 BAD_REPLY 0" \
    "$(client "$dir/ours.pem" http://127.0.0.1:$((port + 4))/f || :)"
expect "https to http" "302 BAD_REPLY 0" "$(client "$dir/ours.pem" $here/down || :)"
expect "nobody was asked" "$port|HTTP/2.0|GET|/down|302" "$(last)"
for kind in "" --stream; do
    # shellcheck disable=SC2086
    expect "the storage $kind" "200 OK 3000000 $sum $(printf 'https://127.0.0.1:%s/f?Signature=\342\200\246' $((port + 5)))" \
        "$(client "$dir/ours.pem" $kind $here/storage)"
    expect "no token to another port $kind" "/f|200|-|-|identity" "$(last | cut -d'|' -f4-)"
    expect "but to the endpoint $kind" "/storage|302|-|Bearer hf_secret" "$(last 2 | cut -d'|' -f4-)"
    # shellcheck disable=SC2086
    expect "another name $kind" "200 OK 3000000" "$(client "$dir/ours.pem" $kind $here/name)"
    expect "no token to another name $kind" "/f|200|-|-|identity" "$(last | cut -d'|' -f4-)"
done
expect "within the origin" "200 OK 3000000" "$(client "$dir/ours.pem" $here/own)"
expect "the token goes along" "/f|200|-|Bearer hf_secret" "$(last | cut -d'|' -f4-)"
expect "never in a message" "0" "$(grep -c hf_secret "$dir/message" || :)"
[ $bad = 0 ] || exit 1
echo "tls: $count checks against $(nginx -v 2>&1 | cut -d' ' -f3), all as expected"
