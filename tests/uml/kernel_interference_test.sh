#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Mode kernel: another program flushes the kernel's policies and SAs, removes one, has one let pass, opens the default,
# flushes nftables. Nothing of what is protected leaves in clear, what protects is back by itself, and the tunnel carries
# again. kernel_sites.sh draws the two gateways. A sends to B all the time; what leaves A's wire is watched.
#   kernel_interference_test.sh uml    in User Mode Linux, whose kernel has no nftables, and so no fence in it
#   kernel_interference_test.sh qemu   in QEMU with Debian's kernel, which has
here=$(dirname "$(realpath "$0")")
guest=${1:-uml}
case $guest in
  uml) runner=("$here/uml-run" -t 460) soon=5 ;;
  qemu) runner=("$here/../qemu/qemu-run" -t 560) soon=20 ;; # an emulated processor is slow
esac
[ "${2:-}" = inside ] || exec "${runner[@]}" -m 768M -- "$0" "$guest" inside
source "$here/../lab/lab.sh"
source "$(dirname "$(realpath "$0")")/kernel_sites.sh"
lab_begin kmeddle
kernel_sites
carries() { wait_for 40 on A ping -q -c 1 -W 1 -I 198.18.1.1 198.18.2.1; }
ok "the tunnel carries" carries
ok "the capture sees what is sent in clear on purpose" eval 'CLEAR_WAY=out watch_clear A wan0 198.18.1.1 A wan0'
start A sender ping -i 0.02 -I 198.18.1.1 198.18.2.1
says() { tail -n +"$((log_from + 1))" "$run/A.log" | grep -qE "$1"; }
protects() { on A ip xfrm policy | grep -q 'tmpl src 198.51.100.1 dst 198.51.100.2'; }
# The milliseconds from a flush until the policy that protects is there again.
gap() {
  local from now
  from=$(date +%s%N)
  on A ip xfrm policy flush
  while ! protects; do
    now=$(date +%s%N)
    [ $((now - from)) -lt $((soon * 1000000000)) ] || return 1
  done
  echo "   back after $((($(date +%s%N) - from) / 1000000)) ms"
}
log_from=0
fence() { on A nft list chain inet simplon leaving 2>/dev/null | grep -q 'goto closed'; }
if [ "$guest" = uml ]; then
  ok "that this kernel has no fence is said aloud" says "there is no fence in nftables"
else
  ok "the fence stands" fence
fi
for i in 1 2 3; do ok "policies are flushed and come back" gap; done
ok "it is told" wait_for $soon says "another program has removed or changed .* kernel's default blocked meanwhile"
ok "the tunnel carries" carries
log_from=$(wc -l <"$run/A.log")
# What stands behind a policy that is removed alone, the host's own traffic here, passes until it is back; the fence in
# nftables does not let it. Where there is none, nothing is sent meanwhile.
[ "$guest" != uml ] || kill -STOP "${pids[sender]}"
ok "one policy is removed" on A ip xfrm policy delete src 198.18.1.0/24 dst 198.18.2.0/24 dir out
ok "and is back" wait_for $soon protects
log_from=$(wc -l <"$run/A.log")
# The kernel obeys an order to let pass until it is taken back, whatever its default; the fence in nftables does not.
for i in 1 2 3; do
  ok "it is replaced by one that lets pass" on A ip xfrm policy update src 198.18.1.0/24 dst 198.18.2.0/24 dir out priority 1 action allow
  ok "and is back" wait_for $soon protects
done
kill -CONT "${pids[sender]}"
if [ "$guest" != uml ]; then
  log_from=$(wc -l <"$run/A.log")
  closed() { on A nft list chain inet simplon closed | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
  kill -STOP "${pids[A]}" # it cannot take the order back now
  before=$(closed)
  ok "one lets pass for as long as nobody looks" on A ip xfrm policy update src 198.18.1.0/24 dst 198.18.2.0/24 dir out priority 1 action allow
  stopped() { [ "$(closed)" -gt $((before + 5)) ]; }
  ok "the fence stops what it lets pass" wait_for $soon stopped
  kill -CONT "${pids[A]}"
  ok "and ours is back" wait_for $soon protects
  log_from=$(wc -l <"$run/A.log")
  ok "nftables is flushed" on A nft flush ruleset
  ok "the fence is back" wait_for $soon fence
  ok "it is told" wait_for $soon says "another program has changed the fence"
  ok "the tunnel carries" carries
  # Source NAT asks the policies again, by an address that they do not know.
  start B translated tcpdump -U -lni wan0 "src host 198.51.100.1 and dst host 198.18.2.1 and icmp"
  ok "a capture is up" wait_for 10 grep -q listening "$run/translated.log"
  masquerade() { on A nft "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; flush chain ip nat post; add rule ip nat post oifname wan0 ${1:-} counter masquerade"; }
  before=$(closed)
  ok "all that leaves is masqueraded" masquerade
  ok "the fence stops what it takes out of its policy" wait_for $soon stopped
  ok "none of it left" eval '! grep -q "ICMP echo" "$run/translated.log"'
  kill -STOP "${pids[A]}"
  ok "the control: the fence alone is gone" on A nft delete table inet simplon
  ok "and it is seen in clear" wait_for $soon grep -q 'ICMP echo request' "$run/translated.log"
  kill -CONT "${pids[A]}"
  ok "the fence is back" wait_for $soon fence
  stop translated INT
  ok "masqueraded is what is not protected" masquerade 'rt ipsec missing'
  ok "the tunnel carries" carries
  on A nft delete table ip nat
fi
log_from=$(wc -l <"$run/A.log")
ok "the default is opened" on A ip xfrm policy setdefault out accept fwd accept in accept
ok "it is told" wait_for $soon says "opened the kernel's default policy"
ok "and it blocks again" wait_for $soon eval 'on A ip xfrm policy getdefault | grep -q "out: block"'
log_from=$(wc -l <"$run/A.log")
ok "the SAs are flushed" on A ip xfrm state flush
ok "it is told" wait_for $soon says "SAs of Simplon's left the kernel by another program"
ok "others are negotiated, and the tunnel carries" carries
ok "the console counts what the kernel told" tells A '^  notices +.*flushed-policies [3-9]' status
ok "and what the kernel has" tells A '^  sas +[1-9]' status
ok "A was sending all the time" kill -0 "${pids[sender]}"
ok "the gateway's own traffic passes" on A ping -q -c 1 -W 2 198.51.100.2
kill -9 "${pids[A]}"
on A ip xfrm policy flush
ok "flushed while no gateway runs: it stays closed" no_answer A -I 198.18.1.1 198.18.2.1
[ "$guest" = uml ] || ok "and the fence stands" fence
stop sender INT
ok "nothing was ever seen in clear" nothing_in_clear
# The control: opened as an administrator would, the same packets are seen in clear.
ok "released on request" on A "$build/simplond" --release "$run/A.yaml"
start B control tcpdump -U -lni wan0 "src host 198.18.1.1 and icmp"
ok "the control's capture is up" wait_for 10 grep -q listening "$run/control.log"
on A ping -q -c 3 -i 0.1 -W 1 -I 198.18.1.1 198.18.2.1 >/dev/null
ok "then they leave in clear, and a capture sees them" wait_for $soon grep -q 'ICMP echo request' "$run/control.log"
lab_end
