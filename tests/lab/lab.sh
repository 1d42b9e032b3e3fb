# Sourced by the demo and the system tests: gateways, hosts and peers in network namespaces of their own.
#
# Every namespace is named $lab-NAME and goes, with every process started here, when the script ends, however it ends.
# Nothing outside them is touched. Conditions are waited for, never a time.
#
#   lab_begin NAME               makes $lab (unique) and $run (a folder for sockets, logs and configurations)
#   ns NAME...                   makes namespaces with loopback up
#   wire A IFA B IFB             a veth pair between two namespaces; offloads off, as on a real wire
#   on NAME COMMAND...           runs a command there
#   simplon_start NAME [CORE]    starts simplond there with $run/NAME.yaml; waits for its console
#   ctl NAME ARGS...             simplonctl of that gateway
#   strongswan_start NAME        starts charon-systemd there with $run/NAME/swanctl/swanctl.conf; waits for its console
#   swan NAME COMMAND ARGS...    swanctl of that peer
#   wait_for SECONDS COMMAND...  until the command succeeds; fails, with the command named, when it never does
#   ok TITLE COMMAND...          one check: prints it and counts; lab_end exits with the verdict

set -u
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(realpath "$here/../..")
build=${SIMPLON_BUILD:-$top/build}
passed=0 failed=0
declare -A pids=()
spaces=()

lab_begin() {
  [ "$(id -u)" = 0 ] || { echo "needs root: it makes network namespaces"; exit 77; }
  lab=$1-$$
  run=$(mktemp -d "${TMPDIR:-/tmp}/$lab.XXXXXX")
  trap lab_clean EXIT
  trap 'exit 130' INT TERM HUP
}

lab_clean() {
  local name
  trap '' INT TERM
  for name in "${!pids[@]}"; do stop "$name"; done
  for name in "${spaces[@]}"; do
    ip netns pids "$lab-$name" 2>/dev/null | xargs -r kill -9 2>/dev/null
    ip netns del "$lab-$name" 2>/dev/null
  done
  if [ "$failed" -gt 0 ] || [ -n "${KEEP_LOGS:-}" ]; then echo "logs: $run"; else rm -rf "$run"; fi
}

ns() {
  local name
  for name in "$@"; do
    ip netns add "$lab-$name" && spaces+=("$name")
    on "$name" sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv6.conf.default.accept_dad=0
    ip -n "$lab-$name" link set lo up
  done
}

on() { local name=$1; shift; ip netns exec "$lab-$name" "$@"; }

wire() { # A IFA B IFB
  ip link add "$2" netns "$lab-$1" type veth peer name "$4" netns "$lab-$3"
  local pair
  for pair in "$1 $2" "$3 $4"; do
    set -- $pair
    on "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >/dev/null 2>&1
    ip -n "$lab-$1" link set "$2" up
  done
}

start() { # NAME PROCESS COMMAND... : in its namespace, output to $run/PROCESS.log
  local name=$1 process=$2; shift 2
  ip netns exec "$lab-$name" "$@" >"$run/$process.log" 2>&1 </dev/null &
  pids[$process]=$!
}

stop() { # PROCESS [SIGNAL]
  local pid=${pids[$1]:-} i
  [ -n "$pid" ] || return 0
  kill "-${2:-TERM}" "$pid" 2>/dev/null
  for ((i = 0; i < 200; i++)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
  kill -9 "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  unset "pids[$1]"
}

simplon_start() { # NAME [COMMAND PREFIX...]
  local name=$1; shift
  start "$name" "$name" "$@" "$build/simplond" "$run/$name.yaml"
  wait_for 30 test -S "$run/$name.vici" || { tail -n 30 "$run/$name.log"; return 1; }
}

ctl() { local name=$1; shift; "$build/simplonctl" --socket "$run/$name.vici" "$@"; }

strongswan_start() { # NAME ; environment CHARON: more lines for charon { }
  local name=$1 dir=$run/$1 plugins=
  local p
  for p in random nonce openssl sha1 sha2 aes gcm hmac kdf curve25519 pem pkcs1 pkcs8 x509 pubkey kernel-libipsec \
           kernel-netlink socket-default resolve updown vici; do
    [ -e /usr/lib/ipsec/plugins/libstrongswan-$p.so ] && plugins+=" $p"
  done
  mkdir -p "$dir"
  cat >"$dir/strongswan.conf" <<CONF
charon-systemd { journal { default = -1 } }
charon {
  load = $plugins
  start-scripts { }
  filelog { log { path = $dir/charon.log
    flush_line = yes
    default = 1
    ike = 2
    cfg = 2 } }
  ${CHARON:-}
  plugins {
    vici { socket = unix://$dir/charon.vici }
    kernel-libipsec { allow_peer_ts = no }
  }
}
CONF
  start "$name" "$name" env STRONGSWAN_CONF="$dir/strongswan.conf" SWANCTL_DIR="$dir/swanctl" /usr/sbin/charon-systemd
  wait_for 20 test -S "$dir/charon.vici" && swan "$name" --load-all --noprompt >"$dir/load.log" 2>&1 ||
    { cat "$dir/load.log" "$dir/charon.log"; return 1; }
}

swan() { # NAME COMMAND ARGS...
  local name=$1 command=$2; shift 2
  STRONGSWAN_CONF=$run/$name/strongswan.conf SWANCTL_DIR=$run/$name/swanctl \
    /usr/sbin/swanctl "$command" "$@" --uri "unix://$run/$name/charon.vici"
}

wait_for() { # SECONDS COMMAND...
  local until=$((SECONDS + $1)); shift
  while ! "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || { echo "never true: $*"; return 1; }
    sleep 0.1
  done
}

ok() { # TITLE COMMAND...
  local title=$1; shift
  if "$@"; then passed=$((passed + 1)); echo "ok     $title"; else failed=$((failed + 1)); echo "FAILED $title: $*"; fi
}

lab_end() {
  if [ "$failed" -gt 0 ]; then
    local log
    for log in "$run"/*.log "$run"/*/charon.log; do [ -f "$log" ] && { echo "--- $(basename "$log")"; tail -n 40 "$log"; }; done
  fi
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
  exit
}
