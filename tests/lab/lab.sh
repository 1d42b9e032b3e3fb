# SPDX-License-Identifier: Apache-2.0
# Sourced by the demo and the system tests: gateways, hosts and peers in network namespaces of their own.
#
# Every namespace is named $lab-NAME and goes, with every process started here, when the script ends, however it ends.
# Nothing outside them is touched. Conditions are waited for, never a time.
#
#   lab_begin NAME               makes $lab (unique) and $run (a folder for sockets, logs and configurations)
#   ns NAME...                   makes namespaces with loopback up
#   wire A IFA B IFB             a veth pair between two namespaces; offloads off, as on a real wire, but with offloads=left
#   on NAME COMMAND...           runs a command there
#   simplon_start NAME [CORE]    starts simplond there with $run/NAME.yaml; waits for its console
#   ctl NAME ARGS...             simplonctl of that gateway
#   tells NAME PATTERN ARGS...   ... answers, and a line of it matches;  tells_not: answers, and none does
#   drop_count NAME REASON       how many packets that gateway dropped for it; fails when it does not know the reason
#   strongswan_start NAME        starts charon-systemd there with $run/NAME/swanctl/swanctl.conf; waits for its console
#   swan NAME COMMAND ARGS...    swanctl of that peer
#   no_answer NAME ARGS...       ping there was sent and nothing came back; a ping that cannot run is a failure
#   watch_clear NAME IFA         captures there what must not be seen in clear, and proves that it does (see below)
#   wait_for SECONDS COMMAND...  until the command succeeds; fails, with the command named, when it never does
#   skip WHY                     ends the test for what this machine lacks: a failure, unless SIMPLON_MAY_SKIP=1
#   ok TITLE COMMAND...          one check: prints it and counts; lab_end exits with the verdict, after a last check of each
#                                gateway with a data path that runs then: it has lost no packet without a name (balance.py)

set -u
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(realpath "$here/../..")
build=${SIMPLON_BUILD:-$top/build}
passed=0 failed=0 failures=()
declare -A pids=()
spaces=()

skip() {
  if [ -n "${SIMPLON_MAY_SKIP:-}" ]; then echo "skipped: $*"; else echo "$*; SIMPLON_MAY_SKIP=1 lets a test be skipped"; fi
  exit 77
}

lab_begin() {
  [ "$(id -u)" = 0 ] || skip "it needs root, to make network namespaces"
  lab=$1-$$
  run=$(mktemp -d "${TMPDIR:-/tmp}/$lab.XXXXXX")
  trap lab_clean EXIT
  trap 'exit 130' INT TERM HUP PIPE
}

lab_clean() {
  local name
  trap '' INT TERM HUP PIPE
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
    [ "${offloads:-}" = left ] || on "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >/dev/null 2>&1
    ip -n "$lab-$1" link set "$2" up
  done
}

start() { # NAME PROCESS COMMAND... : in its namespace, output to $run/PROCESS.log
  local name=$1 process=$2; shift 2
  : >"$run/$process.log" # here, not in the background: else who looks at once reads the log of the run before
  ip netns exec "$lab-$name" "$@" >>"$run/$process.log" 2>&1 </dev/null &
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

# May this process run on cores 0 and 1? The gateways with a data path here are pinned to them.
two_cores() { local mask; mask=$(sed -n 's/^Cpus_allowed:.*\(.\)$/\1/p' /proc/self/status) && (((16#$mask & 3) == 3)); }

simplon_start() { # NAME [COMMAND PREFIX...]
  local name=$1; shift
  two_cores || grep -qE 'mode: kernel|workers: \[0\]' "$run/$name.yaml" || skip "it needs cores 0 and 1"
  start "$name" "$name" "$@" "$build/simplond" "$run/$name.yaml"
  wait_for 30 test -S "$run/$name.vici" || { tail -n 30 "$run/$name.log"; return 1; }
}

ctl() { local name=$1; shift; "$build/simplonctl" --socket "$run/$name.vici" "$@"; }

tells() { local name=$1 pattern=$2 out; shift 2; out=$(ctl "$name" "$@") && grep -qE -- "$pattern" <<<"$out"; }
tells_not() { local name=$1 pattern=$2 out; shift 2; out=$(ctl "$name" "$@") && ! grep -qE -- "$pattern" <<<"$out"; }

drop_count() { # NAME REASON
  ctl "$1" drops --all --json | /usr/bin/python3 -c 'import json, sys; print(int(json.load(sys.stdin)[sys.argv[1]]))' "$2"
}

no_answer() { # NAME PING-ARGS...
  local name=$1 out; shift
  out=$(on "$name" ping -q -c 3 -i 0.05 -W 1 "$@" 2>&1)
  [ $? = 1 ] && grep -qE '[1-9][0-9]* packets transmitted, 0 received' <<<"$out" || { echo "$out"; return 1; }
}

# What must not be seen in clear on a wire. That nothing was seen is worth as much as the capture: packets that it must see
# are sent on purpose, from the other end of the wire, before and after; all of them and nothing else must be in the file.
#
#   watch_clear NAME IFA FROM SENDER SENDER-IFA   from now on, packets of the IPv4 address FROM (and of 2001:db8:a::/64),
#                                                 but not what an intruder, 203.0.113.66, sends it
#                                                 CLEAR_WAY=out: only what leaves there (a kernel that decrypts shows that, too)
#   clear_control                                 one packet in clear on purpose: ICMP with the identifier 0xc1ea
#   nothing_in_clear                              the verdict; ends the capture
watch_clear() {
  clear_at=$1 clear_from=$3 clear_sender=$4 clear_sender_ifa=$5 clear_sent=0
  rm -f "$run/clear.pcap"
  start "$1" clear tcpdump -U ${CLEAR_WAY:+-Q $CLEAR_WAY} -ni "$2" -w "$run/clear.pcap" "(ip host $3 or ip6 net 2001:db8:a::/64) and not src host 203.0.113.66"
  wait_for 10 test -s "$run/clear.pcap" && clear_control
}
clear_packets() { tcpdump -nr "$run/clear.pcap" "$@" 2>"$run/clear.read" || { cat "$run/clear.read"; return 1; }; }
clear_controls_seen() { local seen; seen=$(clear_packets 'icmp[4:2] == 0xc1ea') && [ "$(grep -c ICMP <<<"$seen")" = "$clear_sent" ]; }
clear_control() {
  clear_sent=$((clear_sent + 1))
  on "$clear_sender" /usr/bin/python3 - "$clear_sender_ifa" "$clear_from" <<'PY' || return 1
import socket, struct, sys
icmp = struct.pack('!BBHHH', 8, 0, 0, 0xc1ea, 1)
ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(icmp), 1, 0, 64, 1, 0, socket.inet_aton(sys.argv[2]), socket.inet_aton('203.0.113.1'))
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((sys.argv[1], 0))
wire.send(bytes.fromhex('ffffffffffff' '0200000000c1' '0800') + ip + icmp)
PY
  wait_for 5 clear_controls_seen
}
nothing_in_clear() {
  clear_control || { echo "the capture did not see a packet sent in clear on purpose"; return 1; }
  kill -0 "${pids[clear]}" 2>/dev/null || { echo "the capture has ended"; cat "$run/clear.log"; return 1; }
  stop clear INT
  local others
  others=$(clear_packets 'not icmp or icmp[4:2] != 0xc1ea') || return 1
  [ -z "$others" ] || { echo "seen in clear:"; head -n 20 <<<"$others"; return 1; }
  echo "   $clear_sent packets sent in clear on purpose were seen, and nothing else"
}

# Environment: KERNEL_IPSEC=netlink: ESP and AH by the kernel, where it has them; VICI: where its console listens; CHARON: more
# lines for charon { }; LIBIPSEC: for its kernel-libipsec { }; CHARON_IN: what runs it, as "debian13.sh in".
strongswan_configure() { # NAME
  local name=$1 dir=$run/$1 plugins=
  local p
  for p in random nonce openssl sha1 sha2 aes gcm hmac kdf curve25519 pem pkcs1 pkcs8 x509 pubkey kernel-libipsec \
           kernel-netlink socket-default resolve attr updown eap-identity eap-mschapv2 eap-tls vici; do
    [ $p = kernel-libipsec ] && [ "${KERNEL_IPSEC:-libipsec}" = netlink ] && continue
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
    vici { socket = unix://${VICI:-$dir/charon.vici} }
    resolve { file = $dir/resolv.conf }
    kernel-libipsec { allow_peer_ts = no
      ${LIBIPSEC:-} }
  }
}
CONF
}
strongswan_start() { # NAME
  local name=$1 dir=$run/$1
  strongswan_configure "$name"
  rm -f "$dir/charon.vici" # of one that was killed
  start "$name" "$name" ${CHARON_IN:-} env STRONGSWAN_CONF="$dir/strongswan.conf" SWANCTL_DIR="$dir/swanctl" /usr/sbin/charon-systemd
  wait_for 60 test -S "$dir/charon.vici" && swan "$name" --load-all --noprompt >"$dir/load.log" 2>&1 ||
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
  if "$@"; then passed=$((passed + 1)); echo "ok     $title"; else failed=$((failed + 1)) failures+=("$title"); echo "FAILED $title: $*"; fi
}

# BALANCE_SLACK: how many packets may be missing, where traffic does not end.
balanced() { "$here/balance.py" "$build/simplonctl" "$run/$1.vici" ${BALANCE_SLACK:-}; }

lab_end() {
  local gateway title
  for gateway in "${!pids[@]}"; do
    [ -S "$run/$gateway.vici" ] && kill -0 "${pids[$gateway]}" 2>/dev/null && grep -q 'mode: dp' "$run/$gateway.yaml" &&
      ok "$gateway: received = sent + named drops" balanced "$gateway"
  done
  if [ "$failed" -gt 0 ]; then
    local log socket
    for socket in "$run"/*.vici; do
      [ -S "$socket" ] && { echo "--- drops of $(basename "$socket" .vici)"; ctl "$(basename "$socket" .vici)" drops 2>&1; }
    done
    for log in "$run"/*.log "$run"/*/charon.log; do [ -f "$log" ] && { echo "--- $(basename "$log")"; tail -n 40 "$log"; }; done
  fi
  for title in "${failures[@]}"; do echo "FAILED $title"; done
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
  exit
}
