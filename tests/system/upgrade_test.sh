#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# [port_kind=af_xdp] upgrade_test.sh [TIMES]: a gateway is replaced by another program while packets cross its tunnel: the longest gap is printed,
# no IKE SA is set up anew, no sequence number and no IV is seen twice under one key, nothing is in clear, the kernel's
# interfaces stay. A program that refuses, does not come up in time, or is none, changes nothing, and the console says why.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#                                simplon-guard                       strongSwan
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
times=${1:-2}
lab_begin upgrade
site_up
{ site_simplon_ports gwA; site_secrets gwA; start=none site_connection gwA; } >"$run/gwA.yaml"
simplon_start gwA "$build/simplon-guard" || exit 1
site_strongswan || exit 1
gateway() { pgrep -P "${pids[gwA]}" -f simplond; }
has() { [ "$(grep -c "$1" "$run/gwA.log")" -ge "$2" ]; }
set_up() { grep -c 'parsed IKE_SA_INIT request' "$run/gwB/charon.log"; }
answers() { [ "$(cat "$run/answers" 2>/dev/null || echo 0)" -ge "$1" ]; }
adopted() { ctl gwA sas --json 2>/dev/null | grep -q '"state": *"INSTALLED"'; }
tap() { ip -n "$lab-gwA" -o link show "$1" | cut -d: -f1; }
refused() { # PATTERN ARGS... : the console says why, and the gateway is the same
  local pattern=$1 out before; shift
  before=$(gateway)
  out=$(ctl gwA upgrade "$@" 2>&1) && { echo "it was upgraded: $out"; return 1; }
  grep -q "$pattern" <<<"$out" && [ "$(gateway)" = "$before" ] || { echo "said: $out"; return 1; }
}
ok "the tunnel comes up" wait_for 20 ctl gwA initiate sites net
ok "pings cross it" site_pings hostA 198.18.2.10
ok "the capture sees what is sent in clear on purpose" site_watch_clear
site_watch_numbers
ok "the peer has set one IKE SA up" test "$(set_up)" = 1
interfaces="$(tap lan) $(tap wan)"

cp "$build/simplond" "$run/simplond-2" || exit 1
printf '#!/bin/sh\ncase $1 in --check) exit 0;; esac\nexec sleep 100\n' >"$run/sleeps"
printf '#!/bin/sh\ncase $1 in --check) exit 0;; esac\nexit 9\n' >"$run/ends"
printf '#!/bin/sh\necho "it knows no such key"; exit 1\n' >"$run/refuses"
printf 'none\n' >"$run/none"
chmod +x "$run/sleeps" "$run/ends" "$run/refuses"
ping_begin hostA 198.18.2.10
ok "one that is not there is refused" refused "No such file" "$run/nothing"
ok "one that cannot be executed is refused" refused "no program" "$run/none"
ok "one that refuses our configuration is refused" refused "it knows no such key" "$run/refuses"
ok "one that ends is given up" refused "ended with status 9" "$run/ends"
ok "one that does not come up in time is given up" refused "not up in time" "$run/sleeps" --timeout 1
ok "none of them took a packet" ping_end

one_upgrade() { # ARGS... : of the command
  local took before; took=$(grep -c "took over from" "$run/gwA.log") before=$(gateway)
  rm -f "$run/answers"
  start hostA gap /usr/bin/python3 "$here/gap_ping.py" 198.18.2.10 "${ping_ms:-5}" "$run/answers"
  ok "packets cross" wait_for 30 answers 50
  ok "upgrade $*" ctl gwA upgrade "$@"
  ok "the other gateway has taken over" wait_for 60 has "took over from" $((took + 1))
  rm -f "$run/answers"
  ok "packets cross the other" wait_for 30 answers 50
  stop gap INT
  ok "the old process is gone" wait_for 20 eval "! kill -0 $before"
  echo "       $(cat "$run/gap.log"); $(grep 'ms without a forwarder' "$run/gwA.log" | tail -n 1 | grep -oE '[0-9]+ ms without a forwarder')"
}
for ((i = 0; i < times; i++)); do one_upgrade "$run/simplond-2"; done
ok "the program is the other one" eval 'pgrep -P "${pids[gwA]}" -f simplond-2 >/dev/null'
one_upgrade
kill -USR2 "${pids[gwA]}"
ok "a signal to the guard does the same" wait_for 60 has "took over from" $((times + 2))
ok "pings cross" wait_for 30 site_pings hostA 2001:db8:b::10
# Where a port can be open once only, the old gateway ends first, and its interfaces with it.
[ -n "${port_kind:-}" ] || ok "the kernel's interfaces are the same" test "$interfaces" = "$(tap lan) $(tap wan)"
ok "the peer has set no IKE SA up anew" test "$(set_up)" = 1
ok "its child is the console's" wait_for 10 adopted
ok "rekey of the child" ctl gwA rekey --child net
ok "rekey of the IKE SA" ctl gwA rekey --ike sites
took=$(grep -c "took over from" "$run/gwA.log")
kill -SEGV "$(gateway)"
ok "one that crashes afterwards is taken over from" wait_for 60 has "took over from" $((took + 1))
ok "pings cross again" wait_for 30 site_pings hostA 198.18.2.10
ok "the log has the signal and its thread" grep -q 'simplond: signal 11 in thread simplond' "$run/gwA.log"
ok "and a backtrace" eval 'sed -n "/backtrace:$/,/end of the backtrace/p" "$run/gwA.log" | grep -q "simplond.*+0x"'
ok "the guard has its reason" has "was killed by signal 11" 1
ok "there is no core" eval '! grep -q "core was dumped" "$run/gwA.log"'
echo "       $(cat "$run/sequences.json")"
ok "ESP was watched" test "$(watched packets)" -gt 200
ok "no sequence number was seen twice" test "$(watched sequences_twice)" = 0
ok "and no IV" test "$(watched ivs_twice)" = 0
stop sequences INT
ok "nothing crossed in clear" nothing_in_clear
[ $failed = 0 ] || cat "$run/gwA.log"
lab_end
