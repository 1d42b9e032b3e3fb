#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# many_clients_test.sh [COUNT]: clients of one connection, with a pool. Simplon is gateway A, the clients are connections of one
# strongSwan on gateway B's place (site.sh draws them), each with an identity of its own. All come up, each with its own
# address; then the gateway is killed and begins anew, and each client that comes again has the address that it had.
# What a client costs the control thread, and how the memory grows, is printed for each eighth of them.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
count=${1:-64}
lab_begin many-clients
mkdir -p "$run/gwB/swanctl"

simplon_yaml() {
  site_simplon_ports gwA
  cat <<YAML
secrets: gwA.secrets.yaml
pools:
  clients: {addresses: [198.18.64.0/18]}
lease_file: state/leases
limits: {half_open: 5000, cookie_threshold: 4000}
connections:
  clients:
    local: {address: 198.51.100.1, id: a.example}
    remote: {id: "*.clients.example", pools: clients}
    auth: psk
    proposals: [aes128gcm16-prfsha256-x25519]
    dpd_delay: 0
    children:
      net: {local_ts: [198.18.1.0/24], esp_proposals: [aes128gcm16]}
YAML
}
(umask 077; cat >"$run/gwA.secrets.yaml" <<'YAML'
psks:
  - ids: ["*.clients.example", a.example]
    secret: "a-secret-of-all-clients-0123456789"
YAML
)
clients() {
  local n
  echo "connections {"
  for ((n = 1; n <= count; n++)); do
    cat <<CONF
  c$n { remote_addrs = 198.51.100.1
    version = 2
    mobike = no
    vips = 0.0.0.0
    proposals = aes128gcm16-prfsha256-x25519
    local { auth = psk
      id = c$n.clients.example }
    remote { auth = psk
      id = a.example }
    children { net { remote_ts = 198.18.1.0/24
      esp_proposals = aes128gcm16 } } }
CONF
  done
  echo '} secrets { ike { secret = "a-secret-of-all-clients-0123456789" } }'
}
clients >"$run/gwB/swanctl/swanctl.conf"

installed() { ctl gwA sas --json | grep -c '"state": *"INSTALLED"'; }
here_are() { [ "$(installed)" = "$1" ]; }
come() { # EXPECTED FIRST LAST : so many are there then
  local expected=$1; shift
  seq "$@" | STRONGSWAN_CONF=$run/gwB/strongswan.conf SWANCTL_DIR=$run/gwB/swanctl xargs -P 4 -I N \
    timeout 60 /usr/sbin/swanctl --initiate --ike cN --child net --uri "unix://$run/gwB/charon.vici" >"$run/initiate.log" 2>&1 &&
    wait_for 30 here_are "$expected" || { tail -n 20 "$run/initiate.log" "$run/gwA.log"; return 1; }
}
# "ADDRESS IDENTITY" of all that are in use.
leases() {
  ctl gwA pools --leases --json | /usr/bin/python3 -c 'import json, sys
for pool in json.load(sys.stdin).values():
    for lease in pool.get("leases", {}).values():
        if lease["status"] == "online":
            print(lease["address"], lease["identity"])' | sort
}
ticks() { awk '{print $14 + $15}' "/proc/${pids[gwA]}/task/${pids[gwA]}/stat"; }
memory() { awk '/^VmRSS/ {print $2}' "/proc/${pids[gwA]}/status"; }

site_up
site_kernel_addresses gwB
simplon_yaml >"$run/gwA.yaml"
simplon_start gwA || exit 1
strongswan_start gwB || exit 1
step=$((count / 8))
echo "   clients   control thread, ms a client   memory, KiB a client"
for ((first = 1; first + step - 1 <= step * 8; first += step)); do
  cpu=$(ticks) kib=$(memory)
  come $((first + step - 1)) $first $((first + step - 1)) || { ok "clients $first and on come up" false; break; }
  awk -v n=$step -v c=$(($(ticks) - cpu)) -v m=$(($(memory) - kib)) -v at=$((first + step - 1)) \
    'BEGIN {printf "   %7d   %25.2f   %20.1f\n", at, c * 10 / n, m / n}'
done
ok "all $((step * 8)) clients are up" here_are $((step * 8))
leases >"$run/before"
ok "each has an address of its own" test "$(cut -d' ' -f1 "$run/before" | uniq | wc -l)" = $((step * 8))
ok "and an identity of its own" test "$(cut -d' ' -f2 "$run/before" | sort -u | wc -l)" = $((step * 8))

# Others come first after the restart: what a hash says of them may be what another one had.
stop gwA KILL
stop gwB KILL
rm -f "$run/gwA.vici"
simplon_start gwA && strongswan_start gwB || exit 1
again() { come $((step * 4)) $((step * 4 + 1)) $((step * 8)) && come $((step * 8)) 1 $((step * 4)); }
ok "after a kill all come again, the last half first" again
leases >"$run/after"
ok "each has the address that it had" diff "$run/before" "$run/after"
lab_end
