#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# guard_many_test.sh [TUNNELS]: a gateway under its guard has many tunnels to one peer (Simplon), each an IKE SA of its own, and is
# killed: the next one adopts them all, each carries packets, none is set up anew, and their rekeys are spread. Printed: how long
# the adoption took, the gap of one tunnel, the most rekeys in a second.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#                                simplon-guard                        Simplon         198.19.0.0/16: hostB as well
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
count=${1:-60}
lab_begin guard-many
site_up
address() { echo "198.19.$(($1 / 250)).$(($1 % 250 + 1))"; }
connections() { # gwA|gwB
  local us=a them=b l=1 r=2 n ends; [ "$1" = gwB ] && us=b them=a l=2 r=1
  echo "connections:"
  for ((n = 0; n < count; n++)); do
    ends="local_ts: [198.18.1.10/32], remote_ts: [$(address $n)/32]"
    [ "$1" = gwB ] && ends="remote_ts: [198.18.1.10/32], local_ts: [$(address $n)/32]"
    cat <<YAML
  c$n:
    local: {address: 198.51.100.$l, id: $us$n.example}
    remote: {address: 198.51.100.$r, id: $them$n.example}
    auth: psk
    proposals: [aes128gcm16-prfsha256-x25519]
    children: {net: {$ends, esp_proposals: [aes128gcm16], start: $([ "$1" = gwA ] && echo start || echo none)}}
YAML
  done
}
secrets() {
  local n
  echo "psks:"
  for ((n = 0; n < count; n++)); do printf -- '  - ids: [a%d.example, b%d.example]\n    secret: "secret-of-%d-0123456789abcdef"\n' $n $n $n; done
}
for gateway in gwB gwA; do
  (umask 077; secrets >"$run/$gateway.secrets.yaml")
  { site_simplon_ports $gateway; echo "secrets: $gateway.secrets.yaml"; connections $gateway; } >"$run/$gateway.yaml"
done
simplon_start gwB || exit 1
on hostB ip route add local 198.19.0.0/16 dev lo
ip -n "$lab-gwB" route add 198.19.0.0/16 via 198.18.2.10
simplon_start gwA "$build/simplon-guard" || exit 1
installed() { ctl gwA sas --json | grep -o '"state": *"INSTALLED"' | wc -l; }
all_up() { [ "$(installed)" = "$count" ]; }
patience=300
ok "all $count tunnels are up" wait_for $((60 + count / 4)) all_up
gateway() { pgrep -P "${pids[gwA]}" -x simplond; }
has() { grep -q "$1" "$run/gwA.log"; }
each_carries() { # one ping in each, several at a time
  local n
  for ((n = 0; n < count; n++)); do address $n; done |
    on hostA xargs -P 8 -I{} sh -c 'ping -q -c 3 -i 0.1 -W 2 {} >/dev/null || echo {}' >"$run/silent"
  [ ! -s "$run/silent" ] || { echo "$(wc -l <"$run/silent") are silent: $(head -n 5 "$run/silent" | tr '\n' ' ')"; return 1; }
}
ok "each carries packets" each_carries
inits() { grep -c 'IKE SA up between' "$run/gwB.log"; }
ok "the peer has set up as many IKE SAs" test "$(inits)" = "$count"
ok "the capture sees what is sent in clear on purpose" site_watch_clear
start hostA gap /usr/bin/python3 "$here/gap_ping.py" "$(address 0)" 10 "$run/answers"
answers() { [ "$(cat "$run/answers" 2>/dev/null || echo 0)" -ge 50 ]; }
ok "packets cross one of them" wait_for 20 answers
kill -KILL "$(gateway)"
ok "the next gateway takes over" wait_for 100 has "took over from the gateway before: $count IKE SAs"
rm -f "$run/answers"
ok "packets cross again" wait_for 20 answers
stop gap INT
ok "each carries packets" each_carries
ok "the peer has set none up anew" test "$(inits)" = "$count"
# The rekeys of IKE SAs and children, by the second of the log.
rekeyed() { sed '1,/took over from/d' "$run/gwA.log" | grep -c 'rekeyed\|child net up'; }
ok "rekeys have begun" wait_for 100 eval '[ "$(rekeyed)" -ge 10 ]'
storm() { sed '1,/took over from/d' "$run/gwA.log" | grep 'rekeyed\|child net up' | cut -c 12-19 | sort | uniq -c | sort -rn | awk 'NR == 1 {print $1}'; }
echo "       $(cat "$run/gap.log"); $(grep -oE '[0-9]+ IKE SAs, [0-9]+ SAs, [0-9]+ ms without a forwarder' "$run/gwA.log"); most rekeys in a second: $(storm)"
ok "they do not come at once" test "$(storm)" -le $((10 + count / 10))
ok "each still carries packets" each_carries
ok "nothing crossed in clear" nothing_in_clear
lab_end
