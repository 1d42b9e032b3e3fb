#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A DHCP client on the TAP of a port that has no address yet (RFC 2131 §4.1): it asks from 0.0.0.0, and the server answers to
# the address that it offers, or to all.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA "wan" (DHCP) --- 198.51.100.0/24 --- .2 gwB (dnsmasq, router)
#
# The policies let nothing pass in clear: what a link needs passes without an entry.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
busybox udhcpc --help >/dev/null 2>&1 && [ -x /usr/sbin/dnsmasq ] || skip "it needs busybox and dnsmasq"
lab_begin dhcp
site_up
site_kernel_addresses gwB
site_simplon_ports gwA | sed '/name: wan/,$ {/addresses:/d}' >"$run/gwA.yaml"
# Where hosts check sources strictly.
on gwA sysctl -qw net.ipv4.conf.default.rp_filter=1
simplon_start gwA || exit 1
[ -z "$(ip -n "$lab-gwA" -4 -o addr show dev wan)" ] || { echo "port wan has an address already"; exit 1; }

start gwB dnsmasq dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --port=0 --interface=wan0 --bind-interfaces \
  --dhcp-range=198.51.100.100,198.51.100.109,255.255.255.0,120 --dhcp-option=option:router,198.51.100.2 \
  --dhcp-leasefile="$run/leases" --pid-file="$run/dnsmasq.pid" --dhcp-authoritative --no-ping --log-facility=-
start gwB answers tcpdump -U -l -eni wan0 "udp src port 67"
ok "the capture of the server's answers is up" wait_for 10 grep -q listening "$run/answers.log"
cat >"$run/lease.sh" <<SCRIPT
#!/bin/sh
echo "\$1 \$ip" >>$run/lease.txt
case \$1 in
  bound|renew) ip addr replace "\$ip/24" dev "\$interface"; ip route replace default via "\$router" dev "\$interface" ;;
  deconfig) ip -4 addr flush dev "\$interface" ;;
esac
SCRIPT
chmod +x "$run/lease.sh"
lease() { # ARGUMENTS... : one lease, then the client ends
  : >"$run/lease.txt"
  on gwA timeout 20 busybox udhcpc -i wan -s "$run/lease.sh" -q -n -f -t 5 -T 1 -A 1 "$@" >>"$run/udhcpc.log" 2>&1
}
ok "a lease" lease
unicast() { grep -qE '> 198\.51\.100\.10[0-9]\.68' "$run/answers.log"; }
ok "... by answers to the address that is offered" wait_for 5 unicast
ok "... which the port has" wait_for 5 eval 'ip -n "$lab-gwA" addr show dev wan | grep -q "inet 198.51.100.10"'
offered=$(ip -n "$lab-gwA" -4 -o addr show dev wan | sed -nE 's/.*inet ([0-9.]+).*/\1/p')
# The data path knows it: a ping is for the policies now, which have no entry for it.
before=$(drop_count gwA no-policy)
on gwB ping -q -c 3 -i 0.1 -W 1 "$offered" >/dev/null 2>&1
asked() { [ "$(drop_count gwA no-policy)" -ge $((before + 3)) ]; }
ok "what is sent to it in clear is for the policies" wait_for 5 asked
ip -n "$lab-gwA" addr flush dev wan
ok "another, by answers to all" lease -B
broadcast() { grep -qE '> 255\.255\.255\.255\.68' "$run/answers.log"; }
ok "... to all" wait_for 5 broadcast

# rp_filter of the TAPs is loose, whatever the machine's is: what comes out of a tunnel to the gateway's own address has no
# route back by the TAP that it is given to.
ok "the TAPs ask for a route back by any interface" eval \
  '[ "$(on gwA cat /proc/sys/net/ipv4/conf/wan/rp_filter /proc/sys/net/ipv4/conf/lan/rp_filter | tr -d "\n")" = 22 ]'
stop answers INT
lab_end
