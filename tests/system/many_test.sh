#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Simplon to Simplon (site.sh), two workers each, 100 connections of their own identities, keys and selectors: all come up
# and every one carries its own traffic.
#
#   hostA 198.18.1.10 … .109      connection N: .1(N) <-> .2(N)      198.18.2.10 … .109 hostB
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
count=${1:-100}
lab_begin many
site_up
connections() { # gwA|gwB
  local us=a them=b l=1 r=2 n; [ "$1" = gwB ] && us=b them=a l=2 r=1
  echo "connections:"
  for ((n = 10; n < 10 + count; n++)); do
    cat <<YAML
  c$n:
    local: {address: 198.51.100.$l, id: $us$n.example}
    remote: {address: 198.51.100.$r, id: $them$n.example}
    auth: psk
    proposals: [aes128gcm16-prfsha256-x25519]
    children:
      net:
        local_ts: [198.18.$l.$n/32]
        remote_ts: [198.18.$r.$n/32]
        esp_proposals: [aes128gcm16]
        start: $([ "$1" = gwA ] && echo start || echo none)
YAML
  done
}
secrets() {
  local n
  echo "psks:"
  for ((n = 10; n < 10 + count; n++)); do printf -- '  - ids: [a%d.example, b%d.example]\n    secret: "secret-of-%d-0123456789abcdef"\n' $n $n $n; done
}
for gateway in gwB gwA; do
  (umask 077; secrets >"$run/$gateway.secrets.yaml")
  { site_simplon_ports $gateway "[0, 1]" ; echo "secrets: $gateway.secrets.yaml"; connections $gateway; } >"$run/$gateway.yaml"
  simplon_start $gateway || exit 1
done
for ((n = 11; n < 10 + count; n++)); do
  ip -n "$lab-hostA" addr add 198.18.1.$n/24 dev eth0
  ip -n "$lab-hostB" addr add 198.18.2.$n/24 dev eth0
done
installed() { ctl gwA sas --json | grep -o '"state": *"INSTALLED"' | wc -l; }
all_up() { [ "$(installed)" = "$count" ]; }
ok "all $count connections are up" wait_for 120 all_up
lost=0
for ((n = 10; n < 10 + count; n++)); do
  on hostA ping -q -c 3 -i 0.02 -W 2 -I 198.18.1.$n 198.18.2.$n >"$run/ping.$n" || { lost=$((lost + 1)); cat "$run/ping.$n"; }
done
ok "every connection carried its pings" test $lost = 0
# Worker by worker, as each line of `workers` counts.
both_work() { ctl "$1" workers --json | /usr/bin/python3 -c '
import json, sys
workers = json.load(sys.stdin)
counted = {name: (int(w["encrypted"]), int(w["decrypted"])) for name, w in workers.items()}
print("  ", counted)
sys.exit(len(counted) != 2 or not all(e > 0 and d > 0 for e, d in counted.values()))'; }
for gateway in gwA gwB; do ok "both workers of $gateway encrypted and decrypted" both_work $gateway; done
used() { ctl gwA sas --json | /usr/bin/python3 -c '
import json, sys
print(sum(1 for e in json.load(sys.stdin) for s in e.values() for c in s["child-sas"].values() if int(c["packets-in"]) >= 3 and int(c["packets-out"]) >= 3))'; }
ok "each child counted its own packets" test "$(used)" = "$count"
lab_end
