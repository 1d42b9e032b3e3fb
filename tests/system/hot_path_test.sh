#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# No lock, no allocation and no system call on a packet's way: a gateway whose source is a file of packets that repeats and
# whose sink takes everything encrypts a few hundred thousand packets while its worker thread is watched.
#
#   packets.pcap -> lan (net_pcap) -- gwA, SAs by hand -- wan (net_null)
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
lab_begin hotpath
ns gwA
/usr/bin/python3 - "$run/packets.pcap" <<'PY'
import sys
from scapy.all import Ether, IP, UDP, Raw, wrpcap
# To the MAC that a net_pcap device gives itself.
wrpcap(sys.argv[1], [Ether(dst='02:70:63:61:70:00', src='02:00:00:00:00:01') / IP(src='198.18.1.%d' % n, dst='198.18.2.10', ttl=64) /
                     UDP(sport=1000 + n, dport=2000) / Raw(bytes(200)) for n in range(1, 65)])
PY
cat >"$run/gwA.yaml" <<YAML
gateway: {mode: dp, idle: poll, main_core: 0, workers: [1], memory: 256MiB, buffers: 8192}
crypto: [crypto_aesni_gcm]
ports:
  - {name: lan, device: "net_pcap0,rx_pcap=$run/packets.pcap,infinite_rx=1", side: protected, addresses: [198.18.1.254/24]}
  - {name: wan, device: net_null0, side: unprotected, addresses: [198.51.100.1/24]}
management: {socket: $run/gwA.vici}
YAML
simplon_start gwA env LD_PRELOAD="$build/tests/libworker_watch.so" WORKER_WATCH="$run/watch" || exit 1
ip -n "$lab-gwA" neigh replace 198.51.100.2 lladdr 02:00:00:00:00:02 dev wan nud permanent
key=$(printf '%02x' {1..20})
ok "a policy and an SA by hand" eval 'ctl gwA policy add p --action protect --local-ts 198.18.1.0/24 --remote-ts 198.18.2.0/24 &&
  ctl gwA sa add --direction out --spi 0x1001 --source 198.51.100.1 --destination 198.51.100.2 --suite aes128gcm16 --key $key --policy p'
encrypted() { ctl gwA counters | grep -oE '[0-9,]+ encrypted' | tr -dc 0-9; }
more_than() { [ "$(encrypted)" -gt "$1" ]; }
ok "packets are encrypted" wait_for 20 more_than 100000
thread=$(for t in /proc/"$(pgrep -P "${pids[gwA]}" simplond || echo "${pids[gwA]}")"/task/*; do grep -qE "^(rte|dpdk)-worker" "$t/comm" && basename "$t"; done)
ok "the worker is a thread of its own" test -n "$thread"
touch "$run/watch"
before=$(encrypted)
# The same look at a thread that sleeps between its turns must see calls.
calls_of() { timeout -s INT "$2" strace -c -p "$1" -o "$run/calls" 2>"$run/strace.log"; }
calls() { grep -cE "^ *[0-9.]+ .*[0-9]" "$run/calls"; }
calls_of "${pids[gwA]}" 1
ok "strace sees the calls of the main thread" test "$(calls)" -gt 0
rm -f "$run/calls"
calls_of "$thread" 3 &
strace=$!
traced() { awk '$1 == "TracerPid:" {exit $2 == 0}' "/proc/${pids[gwA]}/task/$thread/status"; }
ok "strace watches the worker" wait_for 3 traced
wait $strace
after=$(encrypted)
cat "$run/calls"
echo "   $((after - before)) packets encrypted under strace"
ok "packets went on under strace" test $((after - before)) -gt 100000
ok "the worker made no system call" eval '[ -f "$run/calls" ] && grep -q "attached" "$run/strace.log" && [ "$(calls)" = 0 ]'
rm "$run/watch"
watched() { grep -qE "worker_watch: $1" "$run/gwA.log"; }
ok "the watch tells what it counted" wait_for 20 watched ''
grep worker_watch "$run/gwA.log"
ok "it counts: a thread of a worker's name allocated, freed and locked on purpose" watched '.*, control 2 and 1$'
ok "the worker allocated and freed nothing" watched 'allocations 0,'
ok "the worker took no lock" watched '.*, locks 0,'
BALANCE_SLACK=1024  # the vectors that are on their way: the source does not end
lab_end
