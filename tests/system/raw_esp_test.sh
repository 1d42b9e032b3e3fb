#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Simplon is gateway A, strongSwan 6 is gateway B (site.sh draws them), whose user-space ESP can do without UDP since 6.0
# (raw_esp): ESP crosses as IP protocol 50, both ways, over a rekey by either side.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
grep -q 'plugins.kernel-libipsec.raw_esp' /usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so 2>/dev/null ||
  skip "this strongSwan has no raw_esp: run me by tests/lab/debian13.sh run"
lab_begin rawesp
site_up
start=none site_simplon gwA || exit 1
LIBIPSEC="raw_esp = yes" site_strongswan || exit 1

children() { ctl gwA sas --json | tr -d ' \n' | grep -o '"spi-in":"[0-9a-f]*"' | sort -u | tr '\n' ' '; }
changed() { local now; now=$(children); [ -n "$now" ] && [ "$now" != "$1" ] && [ "$(wc -w <<<"$now")" = 1 ]; }
packets() { tcpdump -nr "$run/wan.pcap" "$1" 2>"$run/read.log" || { cat "$run/read.log" >&2; return 1; }; }
# A packet of the FILTER is in the capture, or none is; one that cannot be read tells neither.
crossed() { local seen; seen=$(packets "$1") && [ -n "$seen" ]; }
none_crossed() { local seen; seen=$(packets "$1") && { [ -z "$seen" ] || { head -n 20 <<<"$seen"; return 1; }; }; }

start gwB capture tcpdump -U -i wan0 -w "$run/wan.pcap" 'esp or udp port 4500'
wait_for 10 test -s "$run/wan.pcap"
ok "strongSwan initiates" swan gwB --initiate --child net
ok "one child is up" wait_for 10 changed none
for round in "at first" "after Simplon's rekey" "after strongSwan's rekey"; do
  before=$(children)
  case $round in
    *Simplon*) ok "Simplon rekeys the child" ctl gwA rekey --child net ;;
    *strongSwan*) ok "strongSwan rekeys the child" swan gwB --rekey --child net ;;
  esac
  [ "$round" = "at first" ] || ok "a new child took over" wait_for 15 changed "$before"
  for family in 4 6; do
    a=198.18.1.10 b=198.18.2.10; [ $family = 6 ] && a=2001:db8:a::10 b=2001:db8:b::10
    ok "pings A to B, IPv$family, $round" site_pings hostA $b
    ok "pings B to A, IPv$family, $round" site_pings hostB $a
  done
done
stop capture INT
ok "ESP of Simplon's was IP protocol 50" crossed 'esp and src 198.51.100.1'
ok "ESP of strongSwan's was IP protocol 50" crossed 'esp and src 198.51.100.2'
ok "none was in UDP" none_crossed "udp port 4500 and udp[8:4] != 0"
lab_end
