#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Nothing leaves in clear that a policy protects: not before the tunnel is up, not when it is taken down, the gateway is
# off, reloaded, stopped or killed. hostA sends all the time; gateway B's wire is watched for anything of hostA's in clear.
# site.sh draws the sites.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin closed
site_up
# The kernel of gateway A would forward if it were let.
on gwA sysctl -qw net.ipv4.ip_forward=1
ok "the capture sees what is sent in clear on purpose" site_watch_clear
start hostA pinger ping -i 0.05 -W 1 198.18.2.10
start=none site_simplon gwA || exit 1
start=none site_simplon gwB || exit 1
silent() { no_answer hostA 198.18.2.10; }
ok "without an SA nothing passes" silent
ok "the tunnel comes up" ctl gwA initiate sites net
ok "the peer tells of it" tells gwB uniqueid sas --json
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
ok "the peer of a stopped gateway was told" wait_for 3 tells_not gwB uniqueid sas --json
ok "nothing passes a stopped gateway" silent
rm -f "$run/gwA.vici"
start=none site_simplon gwA || exit 1
ok "the tunnel comes up after a restart" ctl gwA initiate sites net
ok "it passes" site_pings hostA 198.18.2.10
kill -9 "${pids[gwA]}"
ok "nothing passes a killed gateway" silent
ok "hostA was sending all the time" kill -0 "${pids[pinger]}"
stop pinger INT
ok "nothing of hostA's was ever seen in clear" nothing_in_clear
lab_end
