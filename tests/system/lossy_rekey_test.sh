#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Simplon is gateway A, a stranger is gateway B; between them a relay that loses, doubles and reorders a fifth of the IKE
# datagrams, and nothing else (site.sh draws it with relay=).
#   lossy_rekey_test.sh [SEQUENCES] [SEED] [PEER]
# PEER: strongswan (this Debian's), strongswan6 and libreswan (Debian 13's, wherever this runs; libreswan in a User Mode Linux
# guest), simplon (another one). What is the peer's own: lossy_peer.sh.
# One sequence: either end initiates; child and IKE SA are rekeyed some times by either end or both at once, under a running
# ping; then the relay is calm and all settles. Both ends have one child, the same one; no packet was lost, or for no longer
# than one retransmission; and when either end terminates it, nothing is left.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
source "$here/guest.sh"
source "$here/libreswan.sh"
source "$here/lossy_peer.sh"
sequences=${1:-20} seed=${2:-1} peer=${3:-strongswan}
relay=20
case $peer in
  strongswan | libreswan | simplon) ;;
  strongswan6) peer=strongswan CHARON_IN="$here/debian13.sh in" ;;
  *) echo "usage: lossy_rekey_test.sh [SEQUENCES] [SEED] [strongswan|strongswan6|libreswan|simplon]"; exit 2 ;;
esac
RANDOM=$seed
first=400 # ms, of both ends; each retransmission later by 1.4 at strongSwan, by 2 at the others
peer_wan=wan0 peer_lan=lan0
[ "$peer" = simplon ] && peer_wan=wan peer_lan=lan
lab_begin lossy
site_up || exit 1
simplon_up gwA && "${peer}_up" gwB || exit 1

# The neighbours are known: what is lost here is lost by IKE.
neighbour() { echo neigh replace "$1" lladdr "$3" dev "$2" nud permanent; } # ADDRESS PORT MAC
mac_wan=$("${peer}_mac" wan0) mac_lan=$("${peer}_mac" lan0)
ip -n "$lab-gwA" $(neighbour 198.51.100.2 wan "$mac_wan") &&
  ip -n "$lab-gwA" $(neighbour 198.18.1.10 lan "$(namespace_mac hostA eth0)") &&
  "${peer}_ip" $(neighbour 198.51.100.1 $peer_wan "$(namespace_mac gwA wan0)") &&
  "${peer}_ip" $(neighbour 198.18.2.10 $peer_lan "$(namespace_mac hostB eth0)") &&
  ip -n "$lab-hostA" $(neighbour 198.18.1.1 eth0 "$(namespace_mac gwA lan0)") &&
  ip -n "$lab-hostB" $(neighbour 198.18.2.1 eth0 "$mac_lan") || exit 1

children_of() { if [ "$1" = gwB ]; then "${peer}_children" gwB; else simplon_children gwA; fi; }
act() { if [ "$1" = gwB ]; then "${peer}_act" gwB "$2"; else simplon_act gwA "$2"; fi >>"$run/act.log" 2>&1; } # gwA|gwB ACTION
one_child() { # both ends have one, and it is the same
  local a b
  a=$(children_of gwA) b=$(children_of gwB)
  [ "$(wc -w <<<"$a")" = 1 ] && [ "$(wc -w <<<"$b")" = 1 ] && [ "${a%/*}" = "${b#*/}" ] && [ "${a#*/}" = "${b%/*}" ]
}
nothing() { [ -z "$(children_of gwA)$(children_of gwB)" ]; }
either() { ((RANDOM % 2)) && echo gwA || echo gwB; }
# How long the longest gap of the ping was, in ms; behind the last one that was answered none is looked for.
longest_gap() {
  sed -n 's/.*icmp_seq=\([0-9]*\).*time=.*/\1/p' "$run/gap.log" | sort -n |
    awk 'NR > 1 && $1 - last - 1 > most {most = $1 - last - 1} {last = $1} END {print 20 * most}'
}

# What both ends know when a sequence has failed, beside a capture of the WAN; kept with the logs.
keep_evidence() {
  local to=$run/failed.$i
  mkdir -p "$to"
  sleep 0.3 # what the capture still buffers
  cp "$run"/{wan.pcap,gap.log,settled.log,relay.log} "$to/" 2>/dev/null
  simplon_evidence gwA >"$to/gwA.txt" 2>&1
  "${peer}_evidence" gwB >"$to/gwB.txt" 2>&1
}

say_children() { echo "sequence $i: A has $(children_of gwA | tr '\n' ' '), B has $(children_of gwB | tr '\n' ' ')"; }

unknown_spi() { drop_count gwA unknown-spi; }

established() { # by either end
  act "$(either)" initiate &
  local establishing=$!
  wait_for 40 one_child
  local status=$?
  wait $establishing
  return $status
}

# Two to four times, of the child or the IKE SA, by either end or both, one after the other or not.
rekeyed() {
  local n what acting
  for ((n = 2 + RANDOM % 3; n > 0; n--)); do
    what=rekey-child acting=()
    ((RANDOM % 4)) || what=rekey-ike
    if ((RANDOM % 3)); then
      act "$(either)" $what & acting+=($!)
    else
      act gwA $what & acting+=($!)
      act gwB $what & acting+=($!)
    fi
    ((RANDOM % 2)) && sleep 0.$((RANDOM % 10))
    ((RANDOM % 2)) && wait "${acting[@]}"
  done
}

# Five are sent, five come back. One by one, since ping does not wait long for the last when others were answered; a busy
# machine may take its time.
settled() {
  local n
  for n in 1 2 3 4 5; do on hostA ping -c 1 -W 10 198.18.2.10 || return 1; done >"$run/settled.log" 2>&1
}

count_gap() { # UNKNOWN-SPI, as it was before
  local gap
  grep -q 'packets transmitted' "$run/gap.log" || echo "sequence $i: the ping did not run"
  gap=$(longest_gap)
  ((gap > 0)) || return
  gaps=$((gaps + 1))
  echo "sequence $i: no answer for $gap ms"
  ((gap > longest)) && longest=$gap
  ((gap > first)) || return
  if "${peer}_is_early" && ((20 * ($(unknown_spi) - $1) >= gap)); then
    early=$((early + 1))
  else
    too_long=$((too_long + 1))
    keep_evidence
  fi
}

left_over=0 into_nothing=0 gaps=0 too_long=0 longest=0 not_up=0 not_down=0 kept=0 mute=0 early=0 extra=0
sequence() {
  touch "$run/calm"; sleep 0.5; rm "$run/calm" # what came late in the sequence before is gone
  local unknown ping
  unknown=$(unknown_spi)
  "${peer}_begins"
  start gwB wan tcpdump -U -ni wan0 -w "$run/wan.pcap"
  established || { say_children; not_up=$((not_up + 1)); keep_evidence; act gwA terminate; act gwB terminate; return; }
  ip netns exec "$lab-hostA" ping -n -i 0.02 -W 1 198.18.2.10 >"$run/gap.log" 2>&1 &
  ping=$!
  rekeyed
  touch "$run/calm"
  wait_for 90 one_child || {
    say_children
    if "${peer}_has_more"; then extra=$((extra + 1)); else left_over=$((left_over + 1)); fi
    keep_evidence
  }
  settled || {
    say_children
    cat "$run/settled.log"
    if "${peer}_mute"; then mute=$((mute + 1)); else into_nothing=$((into_nothing + 1)); fi
    keep_evidence
  }
  kill -INT $ping; wait $ping 2>/dev/null
  count_gap "$unknown"
  "${peer}_keeps" && kept=$((kept + 1))
  "${peer}_ends"
  act "$(either)" terminate
  wait_for 30 nothing || { not_down=$((not_down + 1)); act gwA terminate; act gwB terminate; }
  rm -f "$run/calm"
  stop wan INT
}
for ((i = 1; i <= sequences; i++)); do sequence; done
stop relay
echo "   drops of gateway A: $(ctl gwA drops | awk 'NR > 1 {print $1, $2}' | paste -sd, -)"
echo "   $sequences sequences; IKE datagrams: $(tail -n 1 "$run/relay.log")"
echo "   not established $not_up, sending into nothing $into_nothing, left over $left_over, not gone when terminated $not_down"
[ $mute = 0 ] || echo "   the peer sends nothing through a child that it has agreed to, by its own account: $mute"
[ $extra = 0 ] || echo "   the peer has a child besides, by its own log of its own accord or already deleted: $extra"
[ $early = 0 ] || echo "   the peer sent through an SA before its response had told us of it, and for longer than $first ms: $early"
[ $kept = 0 ] || echo "   the peer still kept an inbound SA that it had deleted: $kept"
echo "   pings lost in $gaps sequences, in $too_long for longer than $first ms; longest $longest ms"
ok "each sequence came up" [ $not_up = 0 ]
ok "no child that sends into nothing" [ $into_nothing = 0 ]
ok "no child left over" [ $((left_over + not_down)) = 0 ]
ok "no ping lost for longer than a retransmission" [ $too_long = 0 ]
ok "the relay did harm" grep -qE ', [1-9][0-9]* lost, [1-9][0-9]* doubled, [1-9][0-9]* late' "$run/relay.log"
lab_end
