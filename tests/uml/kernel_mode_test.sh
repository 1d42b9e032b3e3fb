#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Kernel-only mode in User Mode Linux: two Simplons without a data path negotiate SAs, Linux does ESP, pings cross; what the
# kernel says of its SAs (suite, SPIs, lifetimes, windows) is what Simplon says; clear traffic is refused; a second gateway
# does no harm; a stop tells the peer and stays closed. kernel_sites.sh draws the two.
here=$(dirname "$(realpath "$0")")
[ "${1:-}" = inside ] || exec "$here/uml-run" -t 460 -m 768M -- "$0" inside
source "$here/../lab/lab.sh"
source "$(dirname "$(realpath "$0")")/kernel_sites.sh"
lab_begin kernel
policies_A='policies: [{child: sites/net}, {action: discard, local: "::/0", remote: "::/0"}, {action: discard, local: [198.51.100.1, 198.18.1.9], remote: 0.0.0.0/0}]'
kernel_sites
ip -n "$lab-A" addr add 198.51.100.11/24 dev wan0
pings() { on A ping -q -c 5 -i 0.1 -W 2 -I 198.18.1.1 198.18.2.1 | tee -a "$run/pings" | grep -q ' 0% packet loss'; }
installed() { on A ip xfrm state >"$run/xfrm" && grep -q "aead rfc4106" "$run/xfrm"; }
gone() { on A ip xfrm state >"$run/xfrm" && ! grep -q "aead" "$run/xfrm"; }
released() { on A ip xfrm policy >"$run/xfrm" && ! grep -q "^src 198" "$run/xfrm"; }
ok "the first packet asks the kernel, the kernel asks Simplon, the tunnel comes up" wait_for 40 on A ping -q -c 1 -W 1 -I 198.18.1.1 198.18.2.1
ok "pings without loss" pings
ok "the kernel has the SAs" installed
on A ip -s xfrm state >"$run/state"
spis() { ctl A sas --json | grep -oE '"spi-(in|out)": *"[0-9a-f]+"' | grep -oE '[0-9a-f]{8}' | sort; }
ok "Simplon tells of two SPIs" test "$(spis | wc -l)" = 2
ok "the kernel's SPIs are Simplon's" test "$(spis)" = "$(grep -oE 'spi 0x[0-9a-f]+' "$run/state" | sed 's/spi 0x//' | sort)"
ok "the hard lifetime is the configured one" grep -q 'hard 1320(sec)' "$run/state"
ok "the soft lifetime is the configured one" grep -q 'soft 1200(sec)' "$run/state"
ok "the replay window is the configured one" grep -q 'replay_window 128' "$run/state"
ok "both SAs carried the pings" test "$(grep -cE ' [5-9]\(packets\)| 1[0-9]\(packets\)' "$run/state")" -ge 2
before=$(spis)
ok "rekey" ctl A rekey --child net
changed() { [ "$(spis | wc -l)" = 2 ] && [ "$(spis)" != "$before" ]; }
ok "new SAs took over" wait_for 20 changed
ok "pings over the new SAs" pings
ok "forwarded packets take the tunnel" on L ping -q -c 2 -W 2 198.18.2.1
ok "what no entry matches is not forwarded" no_answer L 198.51.100.2
ok "the machine's own traffic passes where no entry discards it" on A ping -q -c 1 -W 2 -I 198.51.100.11 198.51.100.2
ok "and not where one does" no_answer A -I 198.51.100.1 198.51.100.2
ok "what a discard matches does not" no_answer B 2001:db8:ffff::1
ok "but neighbour discovery" eval 'on B ip -6 neigh show 2001:db8:ffff::1 | grep -q lladdr'
ok "a second gateway does not start" eval '! on A "$build/simplond" "$run/A.yaml" 2>"$run/second.log"'
ok "and says why" grep -q "another IKE daemon" "$run/second.log"
ok "nor is a running one released" eval '! on A "$build/simplond" --release "$run/A.yaml" 2>"$run/release.log"'
ok "and says why" grep -q "a gateway runs" "$run/release.log"
ok "the running one lost nothing by either" pings
ok "gateway off" ctl A gateway off
ok "nothing passes" no_answer A -I 198.18.1.1 198.18.2.1
ok "gateway on" ctl A gateway on
ok "pings again" wait_for 10 pings
ok "the peer tells of its SA" tells B '"uniqueid"' sas --json
stop A
ok "a stop tells the peer" wait_for 3 tells_not B '"uniqueid"' sas --json
ok "and leaves no SA" gone
ok "what was protected stays closed" no_answer A -I 198.18.1.1 198.18.2.1
simplon_start A || exit 1
ok "and open again after a start" wait_for 40 on A ping -q -c 1 -W 1 -I 198.18.1.1 198.18.2.1
ok "terminate" ctl B terminate --ike sites
stop B
ok "with the peer gone, clear traffic is not let out" no_answer A -I 198.18.1.1 198.18.2.1
stop A
ok "stopped is closed: the policies stay" eval '! released && grep -q "dir out" "$run/xfrm"'
ok "released on request" eval 'on A "$build/simplond" --release "$run/A.yaml" && released'
lab_end
