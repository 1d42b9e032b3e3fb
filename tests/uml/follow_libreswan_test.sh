#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# libreswan's pluto negotiates and installs its SAs in the kernel, and beside it Simplon's data path takes them up (`ike: external`)
# and carries the traffic: each side brings the tunnel up and rekeys under a running ping, pluto sees what passed, a crash, a
# delete; no sequence number and no IV twice, nothing in clear. In User Mode Linux, whose kernel has ESP.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#                            libreswan and Simplon                    strongSwan
here=$(dirname "$(realpath "$0")")
source "$here/../lab/lab.sh"
source "$here/site.sh"
source "$here/libreswan.sh"
[ -x "$libreswan" ] || skip "there is no $libreswan here: run me by tests/lab/debian13.sh in"
[ "${1:-}" = inside ] || exec "$top/tests/uml/uml-run" -t 860 -m 1200M -- "$0" inside
export KERNEL_IPSEC=netlink
lab_begin lfollow
site_up
{ site_simplon_ports gwA "[0]"; echo "ike: external"; } | sed 's/memory: 256MiB/memory: 96MiB/; s/buffers: 8192/buffers: 4096/' >"$run/gwA.yaml"
simplon() {
  start gwA simplond "$build/simplond" "$run/gwA.yaml"
  wait_for 30 test -S "$run/gwA.vici" || { cat "$run/simplond.log"; return 1; }
}
pluto() { # on Simplon's ports; its files are in $pluto
  pluto=$run/pluto
  mkdir -p "$pluto/nss"
  { echo 'config setup'; libreswan_connection a 1 b 2; } >"$pluto/ipsec.conf"
  (umask 077; echo '@a.example @b.example : PSK "a-demonstration-secret-0123456789"' >"$pluto/ipsec.secrets")
  certutil -N -d "sql:$pluto/nss" --empty-password || return 1
  start gwA pluto "$libreswan" --nofork --config "$pluto/ipsec.conf" --secretsfile "$pluto/ipsec.secrets" \
    --nssdir "$pluto/nss" --rundir "$pluto" --logfile "$pluto/log"
  wait_for 30 whack --status && on gwA ipsec addconn --config "$pluto/ipsec.conf" --ctlsocket "$pluto/pluto.ctl" sites
}
whack() { on gwA /usr/libexec/ipsec/whack --rundir "$pluto" "$@"; }
taken_up() { tells gwA 'from the kernel, reqid' sa list && ! tells gwA 'not used' sa list; }
spis() { on gwA ip xfrm state | grep -oE 'spi 0x[0-9a-f]+' | sort; }
rekeyed() { # COMMAND...
  local before; before=$(spis)
  ping_begin hostA 198.18.2.10
  "$@" >"$run/rekey.log" 2>&1 || { cat "$run/rekey.log"; return 1; }
  other_spis() { [ "$(spis)" != "$before" ] && taken_up; }
  case $* in *ike*) ;; *) wait_for 20 other_spis || return 1 ;; esac
  sleep 1.5 # packets by the new SA
  ping_end || { ctl gwA drops; ctl gwA sa list; return 1; }
}
passed_by_pluto() { whack --trafficstatus | grep -E 'inBytes=[1-9][0-9]*.*outBytes=[1-9]'; }

ok "Simplon starts" simplon || exit 1
ok "libreswan starts on Simplon's ports" pluto || { cat "$pluto/log" "$run/pluto.log"; exit 1; }
site_strongswan || exit 1
export CLEAR_WAY=out
ok "the capture sees what is sent in clear on purpose" watch_clear gwA wan0 198.18.1.10 gwA wan0
site_watch_numbers
ok "libreswan brings the tunnel up" whack --initiate --name sites
ok "its SAs are taken up" wait_for 10 taken_up
ok "pings cross the data path" site_pings hostA 198.18.2.10
silent() { on gwA ip -s xfrm state | grep -q 'oseq 0xffffffff'; }
ok "the kernel's outbound SA has no number left" silent
ok "libreswan sees what passed" wait_for 20 passed_by_pluto
for n in 1 2 3; do ok "a rekey of the child by libreswan ($n): nothing is lost" rekeyed whack --rekey-child --name sites; done
for n in 1 2 3; do ok "one by the peer ($n): nothing is lost" rekeyed swan gwB --rekey --child net; done
ok "a rekey of the IKE SA: nothing is lost" rekeyed whack --rekey-ike --name sites
ok "one by the peer: nothing is lost" rekeyed swan gwB --rekey --ike sites
ok "replaced SAs are gone" wait_for 30 eval '[ "$(spis | wc -l)" = 2 ]'
ok "pings cross it still" site_pings hostA 198.18.2.10
kill -9 "${pids[simplond]}"; wait "${pids[simplond]}" 2>/dev/null; unset "pids[simplond]"; rm -f "$run/gwA.vici"
ok "nothing passes without Simplon" no_answer hostA 198.18.2.10
ok "Simplon starts again" simplon
ok "libreswan is asked to rekey, and pings cross" wait_for 30 on hostA ping -q -c 1 -W 1 198.18.2.10
ok "by SAs that are taken up" wait_for 20 taken_up
ok "libreswan ends the tunnel" whack --terminate --name sites
ok "its SAs are gone" wait_for 10 tells_not gwA 'from the kernel' sa list
ok "nothing passes in clear" no_answer hostA 198.18.2.10
ok "the peer brings it up again" wait_for 30 swan gwB --initiate --child net
ok "and its SAs are taken up" wait_for 10 taken_up
ok "pings cross" site_pings hostB 198.18.1.10
ok "ESP was watched" test "$(watched packets)" -gt 300
echo "       $(cat "$run/sequences.json")"
ok "no sequence number was seen twice" test "$(watched sequences_twice)" = 0
ok "and no IV" test "$(watched ivs_twice)" = 0
ok "nothing crossed in clear" nothing_in_clear
ok "one sent twice on purpose is seen (the control)" site_numbers_control
stop sequences INT
[ $failed = 0 ] || cat "$run/simplond.log" "$pluto/log"
lab_end
