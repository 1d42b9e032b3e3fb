#!/bin/bash
# Nothing leaves in clear that a policy protects: not before the tunnel is up, not when it is taken down, the gateway is
# off, reloaded, stopped or killed. hostA sends all the time; gateway B's wire is watched for anything of hostA's in clear.
# site.sh draws the sites.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin closed
site_up
# The kernel of gateway A would forward if it were let.
on gwA sysctl -qw net.ipv4.ip_forward=1
start gwB sniff tcpdump -U -ni wan0 -w "$run/wire.pcap" 'icmp and host 198.18.1.10'
wait_for 10 test -s "$run/wire.pcap"
start hostA pinger ping -i 0.05 -W 1 198.18.2.10
start=none site_simplon gwA || exit 1
start=none site_simplon gwB || exit 1
silent() { on hostA ping -q -c 3 -i 0.05 -W 1 198.18.2.10 >/dev/null; [ $? -ne 0 ]; }
ok "without an SA nothing passes" silent
ok "the tunnel comes up" ctl gwA initiate sites net
ok "now it passes" site_pings hostA 198.18.2.10
ok "gateway off" ctl gwA gateway off
ok "nothing passes while it is off" silent
ok "gateway on" ctl gwA gateway on
ok "reload" ctl gwA reload
ok "it passes again" site_pings hostA 198.18.2.10
ok "terminate" ctl gwA terminate --ike sites
ok "nothing passes after" silent
ok "the tunnel comes up again" ctl gwA initiate sites net
stop gwA TERM
ok "the peer of a stopped gateway was told" wait_for 3 eval '! ctl gwB sas --json | grep -q uniqueid'
ok "nothing passes a stopped gateway" silent
rm -f "$run/gwA.vici"
start=none site_simplon gwA || exit 1
ok "the tunnel comes up after a restart" ctl gwA initiate sites net
ok "it passes" site_pings hostA 198.18.2.10
kill -9 "${pids[gwA]}"
ok "nothing passes a killed gateway" silent
stop pinger INT
stop sniff INT
ok "nothing of hostA's was ever seen in clear" test "$(tcpdump -nr "$run/wire.pcap" 2>/dev/null | wc -l)" = 0
lab_end
