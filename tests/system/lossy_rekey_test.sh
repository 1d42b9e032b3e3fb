#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Simplon is gateway A, Debian's strongSwan is gateway B; between them a relay that loses, doubles and reorders a fifth of
# the IKE datagrams, and nothing else (site.sh draws it with relay=).
#   lossy_rekey_test.sh [SEQUENCES] [SEED] [PEER]
# PEER: strongswan (this Debian's), strongswan6 (Debian 13's, wherever this runs), simplon (another one).
# One sequence: either end initiates; child and IKE SA are rekeyed some times by either end or both at once, under a running
# ping; then the relay is calm and all settles. Both ends have one child, the same one; no packet was lost, or for no longer
# than one retransmission; and when either end terminates it, nothing is left.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
sequences=${1:-20} seed=${2:-1} peer=${3:-strongswan}
relay=20
[ "$peer" = strongswan6 ] && { peer=strongswan; CHARON_IN="$here/debian13.sh in"; }
RANDOM=$seed
first=400 # ms, of both ends; each retransmission later by 1.4 at strongSwan, by 2 at Simplon
lab_begin lossy
site_up || exit 1
start=none more="    retransmission: {first: ${first}ms, longest: 3s, tries: 25}" site_simplon gwA || exit 1
if [ "$peer" = simplon ]; then
  start=none more="    retransmission: {first: ${first}ms, longest: 3s, tries: 25}" site_simplon gwB || exit 1
else
  CHARON="retransmit_timeout = 0.4
  retransmit_base = 1.4
  retransmit_limit = 3
  retransmit_tries = 25
  delete_rekeyed_delay = 1" site_strongswan || exit 1
fi

# The neighbours are known: what is lost here is lost by IKE.
mac_of() { ip -n "$lab-$1" link show dev "$2" | sed -n 's/.*link\/ether \([0-9a-f:]*\).*/\1/p'; }
knows() { ip -n "$lab-$1" neigh replace "$2" lladdr "$4" dev "$3" nud permanent; } # NAME ADDRESS IFA MAC
wan=wan0 lan=lan0
[ "$peer" = simplon ] && wan=wan lan=lan
knows gwA 198.51.100.2 wan "$(mac_of gwB wan0)" && knows gwA 198.18.1.10 lan "$(mac_of hostA eth0)" &&
  knows gwB 198.51.100.1 $wan "$(mac_of gwA wan0)" && knows gwB 198.18.2.10 $lan "$(mac_of hostB eth0)" &&
  knows hostA 198.18.1.1 eth0 "$(mac_of gwA lan0)" && knows hostB 198.18.2.1 eth0 "$(mac_of gwB lan0)" || exit 1

# "SPI-IN/SPI-OUT ..." of the children that one end has. What strongSwan has deleted it keeps for packets that are still
# under way; when the IKE SA is rekeyed meanwhile, until that ends: counted apart.
swan_children() { # AWK-CONDITION on the state
  swan gwB --list-sas --raw | tr '{' '\n' |
    sed -n 's/.* state=\([A-Z]*\) .*spi-in=\([0-9a-f]*\) spi-out=\([0-9a-f]*\).*/\1 \2\/\3/p' | awk "$1 {print \$2}"
}
children_of() {
  if [ "$1" = gwB ] && [ "$peer" = strongswan ]; then
    swan_children '$1 != "DELETED"'
  else
    ctl "$1" sas --json | tr -d ' \n' | grep -o '"spi-in":"[0-9a-f]*","spi-out":"[0-9a-f]*"' | tr -d '"' | sed 's/spi-in://;s/,spi-out:/\//'
  fi
}
one_child() { # both ends have one, and it is the same
  local a b
  a=$(children_of gwA) b=$(children_of gwB)
  [ "$(wc -w <<<"$a")" = 1 ] && [ "$(wc -w <<<"$b")" = 1 ] && [ "${a%/*}" = "${b#*/}" ] && [ "${a#*/}" = "${b%/*}" ]
}
nothing() { [ -z "$(children_of gwA)$(children_of gwB)" ]; }
act() { # gwA|gwB initiate|rekey-child|rekey-ike|terminate
  if [ "$1" = gwB ] && [ "$peer" = strongswan ]; then
    case $2 in
      initiate) swan gwB --initiate --child net --timeout 30 ;;
      rekey-child) swan gwB --rekey --child net ;;
      rekey-ike) swan gwB --rekey --ike sites ;;
      terminate) swan gwB --terminate --ike sites --timeout 30 ;;
    esac
  else
    case $2 in
      initiate) ctl "$1" initiate sites net ;;
      rekey-child) ctl "$1" rekey --child net ;;
      rekey-ike) ctl "$1" rekey --ike sites ;;
      terminate) ctl "$1" terminate --ike sites ;;
    esac
  fi >>"$run/act.log" 2>&1
}
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
  cp "$run"/{wan.pcap,gap.log,settled.log,relay.log,gwA.log} "$to/" 2>/dev/null
  { date +%T.%N; ctl gwA sas; ctl gwA drops; ctl gwA ports; } >"$to/gwA.txt" 2>&1
  if [ "$peer" = simplon ]; then
    { ctl gwB sas; ctl gwB drops; } >"$to/gwB.txt" 2>&1
  else
    swan gwB --list-sas >"$to/gwB.txt" 2>&1
    tail -n 2000 "$run/gwB/charon.log" >"$to/charon.log"
  fi
}

left_over=0 into_nothing=0 gaps=0 too_long=0 longest=0 not_up=0 not_down=0 swan_keeps=0
sequence() {
  touch "$run/calm"; sleep 0.5; rm "$run/calm" # what came late in the sequence before is gone
  act "$(either)" initiate &
  local establishing=$!
  wait_for 40 one_child || { not_up=$((not_up + 1)); wait $establishing; act gwA terminate; act gwB terminate; return; }
  wait $establishing
  start gwB wan tcpdump -U -ni wan0 -w "$run/wan.pcap"
  ip netns exec "$lab-hostA" ping -n -i 0.02 -W 1 198.18.2.10 >"$run/gap.log" 2>&1 &
  local ping=$! n who
  for ((n = 2 + RANDOM % 3; n > 0; n--)); do
    local what=rekey-child; ((RANDOM % 4)) || what=rekey-ike
    local acting=()
    if ((RANDOM % 3)); then
      act "$(either)" $what & acting+=($!)
    else
      act gwA $what & acting+=($!)
      act gwB $what & acting+=($!)
    fi
    ((RANDOM % 2)) && sleep 0.$((RANDOM % 10))
    ((RANDOM % 2)) && wait "${acting[@]}"
  done
  touch "$run/calm"
  wait_for 30 one_child || {
    echo "sequence $i: A has $(children_of gwA | tr '\n' ' '), B has $(children_of gwB | tr '\n' ' ')"
    left_over=$((left_over + 1))
    keep_evidence
  }
  # All is settled: five are sent, five come back. A busy machine may take its time.
  on hostA ping -c 5 -i 0.2 -W 10 198.18.2.10 >"$run/settled.log" 2>&1
  grep -q ' 5 received' "$run/settled.log" || {
    echo "sequence $i: A has $(children_of gwA | tr '\n' ' '), B has $(children_of gwB | tr '\n' ' '), and of five pings:"
    cat "$run/settled.log"
    into_nothing=$((into_nothing + 1))
    keep_evidence
  }
  kill -INT $ping; wait $ping 2>/dev/null
  grep -q 'packets transmitted' "$run/gap.log" || echo "sequence $i: the ping did not run"
  local gap
  gap=$(longest_gap)
  ((gap > 0)) && { gaps=$((gaps + 1)); echo "sequence $i: no answer for $gap ms"; }
  ((gap > longest)) && longest=$gap
  ((gap > first)) && too_long=$((too_long + 1))
  [ "$peer" = simplon ] || [ -z "$(swan_children '$1 == "DELETED"')" ] || swan_keeps=$((swan_keeps + 1))
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
[ "$peer" = simplon ] || echo "   strongSwan still kept an inbound SA that it had deleted: $swan_keeps"
echo "   pings lost in $gaps sequences, in $too_long for longer than $first ms; longest $longest ms"
ok "each sequence came up" [ $not_up = 0 ]
ok "no child that sends into nothing" [ $into_nothing = 0 ]
ok "no child left over" [ $((left_over + not_down)) = 0 ]
ok "no ping lost for longer than a retransmission" [ $too_long = 0 ]
ok "the relay did harm" grep -qE ', [1-9][0-9]* lost, [1-9][0-9]* doubled, [1-9][0-9]* late' "$run/relay.log"
lab_end
