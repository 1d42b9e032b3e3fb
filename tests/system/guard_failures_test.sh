#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# guard_failures_test.sh: what fails beside the gateway. Its memory is full: what does not fit works, the log says so, and after a
# death it is made anew. Guard and gateway are killed at once: the interfaces stay closed until a next start. Nothing is in clear.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#                                simplon-guard                       strongSwan
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin failures
site_up
{ site_simplon_ports gwA; site_secrets gwA; start=none site_connection gwA; } >"$run/gwA.yaml"
guarded=("$build/simplon-guard" --journal 1)
simplon_start gwA "${guarded[@]}" || exit 1
site_strongswan || exit 1
gateway() { pgrep -P "${pids[gwA]}" -x simplond; }
has() { [ "$(grep -c "$1" "$run/gwA.log")" -ge "$2" ]; }
set_up() { grep -c 'parsed IKE_SA_INIT request' "$run/gwB/charon.log"; }
ok "a memory of 1 KiB: the tunnel comes up" wait_for 20 ctl gwA initiate sites net
ok "the log says that it is full" wait_for 10 has "the journal is full" 1
ok "pings cross all the same" site_pings hostA 198.18.2.10
ok "the capture sees what is sent in clear on purpose" site_watch_clear
before=$(set_up)
kill -KILL "$(gateway)"
ok "the kernel has the policies alone" wait_for 30 has "the kernel forwards: 0 of 0 SAs" 1
ok "the next gateway comes" wait_for 60 has "took over from" 1
ok "its console answers" wait_for 20 ctl gwA version
ok "the tunnel is made anew" wait_for 30 ctl gwA initiate sites net
ok "by a new IKE SA" test "$(set_up)" -gt "$before"
ok "pings cross" wait_for 30 site_pings hostA 198.18.2.10

orphan=$(gateway)
kill -KILL "${pids[gwA]}" "$orphan"
ok "guard and gateway are dead" wait_for 10 eval "! kill -0 ${pids[gwA]} 2>/dev/null && ! kill -0 $orphan 2>/dev/null"
wait "${pids[gwA]}" 2>/dev/null
ok "then nothing passes" no_answer hostA 198.18.2.10
cp "$run/gwA.log" "$run/before.log"
guarded=("$build/simplon-guard")
simplon_start gwA "${guarded[@]}" || exit 1
ok "a new guard: the console answers" wait_for 20 ctl gwA version
ok "the tunnel is made anew" wait_for 30 ctl gwA initiate sites net
ok "pings cross again" wait_for 30 site_pings hostA 198.18.2.10
kill -KILL "$(gateway)"
ok "what fits is taken over" wait_for 60 has "took over from the gateway before: 1 IKE SAs" 1
ok "and pings cross" wait_for 30 site_pings hostA 198.18.2.10
ok "nothing crossed in clear" nothing_in_clear
[ $failed = 0 ] || cat "$run/gwA.log"
lab_end
