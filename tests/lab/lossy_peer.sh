# SPDX-License-Identifier: Apache-2.0
# Sourced after site.sh: the gateways of lossy_rekey_test.sh. A is Simplon, B is the PEER: strongswan, libreswan or simplon.
#
#   PEER_up GATEWAY          starts it; $first, in ms: after how long it sends a request again for the first time
#   PEER_mac wan0|lan0       of gateway B
#   PEER_ip ARGS...          "ip" where gateway B has its ports, $peer_wan and $peer_lan
#   PEER_children GATEWAY    "SPI-IN/SPI-OUT" of each child that it has
#   PEER_act GATEWAY ACTION  initiate, rekey-child, rekey-ike, terminate
#   PEER_evidence GATEWAY    what it knows, when a sequence has failed
#   PEER_keeps               gateway B has inbound SAs of children that it has deleted, for packets that are on their way
#   PEER_mute                gateway B has agreed to its child and by its own log never made the SA to send through: its fault
#   PEER_is_early            it sends through a new SA before the initiator can know it, as RFC 7296 §2.8 allows
#   PEER_has_more            by its own log, it has children besides: made of its own accord when we deleted one as we have to, or
#                            kept although it has answered our delete
#   PEER_begins, PEER_ends   a sequence: at its end A may terminate, and gateway B shall not call again

namespace_mac() { ip -n "$lab-$1" link show dev "$2" | sed -n 's/.*link\/ether \([0-9a-f:]*\).*/\1/p'; }

simplon_up() { start=none more="    retransmission: {first: ${first}ms, longest: 3s, tries: 25}" site_simplon "$1"; }
simplon_mac() { namespace_mac gwB "$1"; }
simplon_ip() { ip -n "$lab-gwB" "$@"; }
simplon_children() {
  ctl "$1" sas --json | tr -d ' \n' | grep -o '"spi-in":"[0-9a-f]*","spi-out":"[0-9a-f]*"' |
    sed 's/"spi-in":"\(.*\)","spi-out":"\(.*\)"/\1\/\2/'
}
simplon_act() {
  case $2 in
    initiate) ctl "$1" initiate sites net ;;
    rekey-child) ctl "$1" rekey --child net ;;
    rekey-ike) ctl "$1" rekey --ike sites ;;
    terminate) ctl "$1" terminate --ike sites ;;
  esac
}
simplon_evidence() { date +%T.%N; ctl "$1" sas; ctl "$1" drops; ctl "$1" ports; tail -n 2000 "$run/$1.log"; }
simplon_keeps() { false; }
simplon_mute() { false; }
simplon_has_more() { false; }
simplon_is_early() { false; }
simplon_begins() { :; }
simplon_ends() { :; }

strongswan_up() {
  CHARON="retransmit_timeout = $(awk "BEGIN {print $first / 1000}")
  retransmit_base = 1.4
  retransmit_limit = 3
  retransmit_tries = 25
  delete_rekeyed_delay = 1" site_strongswan
}
strongswan_mac() { namespace_mac gwB "$1"; }
strongswan_ip() { ip -n "$lab-gwB" "$@"; }
strongswan_states() { # AWK-CONDITION on the state
  swan gwB --list-sas --raw | tr '{' '\n' |
    sed -n 's/.* state=\([A-Z]*\) .*spi-in=\([0-9a-f]*\) spi-out=\([0-9a-f]*\).*/\1 \2\/\3/p' | awk "$1 {print \$2}"
}
# What it has deleted it keeps for a while; when the IKE SA is rekeyed meanwhile, until that ends: counted apart.
strongswan_children() { strongswan_states '$1 != "DELETED"'; }
strongswan_keeps() { [ -n "$(strongswan_states '$1 == "DELETED"')" ]; }
# 6.0.1 is, when its own rekey of a child is still on its way, or the answer to it, that we have replaced twice by then. It also
# keeps the child in between, whose delete it has answered ("keeping peer's CHILD_SA until active rekeying is concluded").
strongswan_mute() {
  local spis
  spis=$(simplon_children gwA | sed -n 's/\(.*\)\/\(.*\)/\2_i \1_o/p')
  [ "$(wc -l <<<"$spis")" = 1 ] && grep -q " inbound CHILD_SA .* $spis " "$run/gwB/charon.log" &&
    ! grep -q " outbound CHILD_SA .* $spis " "$run/gwB/charon.log"
}
strongswan_has_more() {
  local ours out
  ours=$(simplon_children gwA)
  [ "$(wc -l <<<"$ours")" = 1 ] || return 1
  for out in $(strongswan_children | sed 's/.*\///'); do
    [ "$out" = "${ours%/*}" ] || grep -q "received DELETE for ESP CHILD_SA with SPI $out" "$run/gwB/charon.log" || return 1
  done
}
strongswan_is_early() { false; }
strongswan_begins() { :; }
strongswan_ends() { :; }
strongswan_act() {
  case $2 in
    initiate) swan gwB --initiate --child net --timeout 30 ;;
    rekey-child) swan gwB --rekey --child net ;;
    rekey-ike) swan gwB --rekey --ike sites ;;
    terminate) swan gwB --terminate --ike sites --timeout 30 ;;
  esac
}
strongswan_evidence() { swan gwB --list-sas; tail -n 2000 "$run/gwB/charon.log"; }

# In a guest, of a kernel with ESP. It has no order that waits for nothing: these end when they have begun.
libreswan_up() {
  dir=$run/guest peer_wan=vec0 peer_lan=vec1
  mkdir "$dir"
  libreswan_more="  retransmit-interval=$first
  retransmit-timeout=60s" GUEST_IN="$here/debian13.sh in" guest_uml $((sequences * 60 + 300)) libreswan_begin
}
libreswan_mac() { local port=vec0; [ "$1" = lan0 ] && port=vec1; guest cat "/sys/class/net/$port/address"; }
libreswan_ip() { guest ip "$@"; }
libreswan_act() {
  local name="--name sites --asynchronous"
  case $2 in
    initiate) guest ipsec whack --initiate $name ;;
    rekey-child) guest ipsec whack --rekey-child $name ;;
    rekey-ike) guest ipsec whack --rekey-ike $name ;;
    terminate) guest ipsec whack --terminate $name ;;
  esac
}
libreswan_evidence() { guest ipsec whack --showstates; guest ip -s xfrm state; guest ip xfrm policy; tail -n 2000 "$dir/peer.log"; }
libreswan_keeps() { false; }
# 5.2 knows nothing of simultaneous rekeys (RFC 7296 §2.8.1): of two replacements it uses the one made last, and when that is
# deleted as the redundant one it owns no route through the other.
libreswan_mute() { [ -n "$(libreswan_children)" ] && ! guest ipsec whack --showstates | grep -q 'CHILD_SA.*eroute owner'; }
# "Revival", where it has initiated; it cannot be without: the other of two replacements it would not use either. A rekey whose
# child goes meanwhile makes the IKE SA hang until it times out. The delete of a child that is answered in an IKE SA which is
# rekeyed by then is lost on it.
libreswan_has_more() {
  local log sa
  log=$(tail -n "+$libreswan_log" "$dir/peer.log")
  grep -qE 'reviving connection which received Delete|EXPECTATION FAILED.* vanished' <<<"$log" && return
  for sa in $(guest ipsec whack --showstates | sed -n 's/^\(#[0-9]*\): .*ESTABLISHED_CHILD_SA.*/\1/p'); do
    grep -q "$sa: sent INFORMATIONAL request to delete" <<<"$log" && return
  done
  return 1
}
libreswan_is_early() { :; }
libreswan_begins() { libreswan_log=$(($(wc -l <"$dir/peer.log") + 1)); guest ipsec whack --no-impair revival; }
libreswan_ends() { guest ipsec whack --impair revival; }
