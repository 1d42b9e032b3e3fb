#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's own swanctl drives Simplon's management socket: lists, initiates, terminates, rekeys, follows the log.
# Two Simplons (site.sh).
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin swanctl
site_up
start=none site_simplon gwA && start=none site_simplon gwB || exit 1
mkdir -p "$run/swanctl"
printf 'swanctl { load = random openssl }\n' >"$run/strongswan.conf"
theirs() { STRONGSWAN_CONF=$run/strongswan.conf SWANCTL_DIR=$run/swanctl timeout 30 /usr/sbin/swanctl "$@" --uri "unix://$run/gwA.vici" 2>&1 | tee "$run/swanctl.out"; return "${PIPESTATUS[0]}"; }
says() { local want=$1; shift; theirs "$@" && grep -qE -- "$want" "$run/swanctl.out"; }
ok "--version" says 'simplond' --version --daemon
ok "--stats" says 'uptime' --stats
ok "--list-conns" says 'sites: IKEv2' --list-conns
STRONGSWAN_CONF=$run/strongswan.conf timeout 60 stdbuf -oL /usr/sbin/swanctl --log --uri "unix://$run/gwA.vici" >"$run/followed.out" 2>&1 &
pids[follow]=$!
STRONGSWAN_CONF=$run/strongswan.conf timeout 60 stdbuf -oL /usr/sbin/swanctl --monitor-sa --uri "unix://$run/gwA.vici" >"$run/monitor.out" 2>&1 &
pids[monitor]=$!
sleep 0.5 # swanctl does not tell when its registration stands
ok "--initiate" says 'initiate completed successfully' --initiate --child net
ok "--list-sas" says 'sites: #[0-9]+, ESTABLISHED, IKEv2' --list-sas
ok "--list-sas shows the child" grep -qE 'net: #[0-9]+.*INSTALLED, TUNNEL.*ESP:AES_GCM_16-128' "$run/swanctl.out"
ok "--list-sas shows the selectors" grep -q '198.18.2.0/24' "$run/swanctl.out"
ok "pings" site_pings hostA 198.18.2.10
ok "counters are the packets'" says '10 packets' --list-sas
ok "--list-pols" says '^(sites/)?net,? .*TUNNEL' --list-pols
ok "--rekey" says 'rekey completed successfully' --rekey --child net
ok "pings after the rekey" site_pings hostA 198.18.2.10
ok "--terminate" says 'terminate completed successfully' --terminate --ike sites
ok "--list-sas is empty" eval 'theirs --list-sas && ! grep -q ESTABLISHED "$run/swanctl.out"'
ok "the log was followed" wait_for 5 grep -q '\[IKE\]' "$run/followed.out"
ok "the SAs were monitored" wait_for 5 grep -q 'net: #' "$run/monitor.out"
stop follow; stop monitor
lab_end
