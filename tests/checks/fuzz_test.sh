#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# fuzz_test.sh [TARGETS...]: builds the fuzz targets and runs each for SIMPLON_FUZZ_SECONDS (20; packets 60) from its
# seeds.
# A crash, a sanitizer's report, an input of over 10 s or a target that hardly ran fails the test; what caused it is kept.
set -u
cd "$(dirname "$(realpath "$0")")/../.." || exit 1
source tests/checks/tree.sh
[ $# -gt 0 ] || set -- packet_fuzz aggfrag_fuzz ike_message_fuzz ike_endpoint_fuzz certificate_fuzz eap_fuzz radius_fuzz vici_fuzz config_fuzz
fuzz_build "$@" fuzz_seeds

seeds=$build/seeds bad=0
rm -rf "$seeds" && mkdir -p "$seeds/config_fuzz"
"$build/tests/fuzz/fuzz_seeds" "$seeds" || { echo "no seeds were made"; exit 1; }
cp conf/*.yaml "$seeds/config_fuzz/" || exit 1
one() { # TARGET
  local target=$1 corpus status runs seconds
  seconds=${SIMPLON_FUZZ_SECONDS:-$([ "$1" = packet_fuzz ] && echo 60 || echo 20)}
  corpus=$build/corpus/$target
  mkdir -p "$corpus" "$seeds/$target"
  # The corpus grows from run to run; the seeds are always tried first.
  # DPDK keeps what it allocated until the process ends.
  case $target in packet_fuzz | aggfrag_fuzz) export ASAN_OPTIONS=detect_leaks=0 ;; esac
  "$build/tests/fuzz/$target" "$corpus" "$seeds/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$log/$target-" -print_final_stats=1 >"$log/$target.log" 2>&1
  status=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log/$target.log")
  if [ $status != 0 ]; then
    echo "$target fails (the input is in $log/$target-*):"
    grep -E -A25 'ERROR:|runtime error|SUMMARY' "$log/$target.log" | head -n 50
    return 1
  elif [ "${runs:-0}" -lt 100 ]; then
    echo "$target ran ${runs:-0} inputs only, see $log/$target.log"
    return 1
  else
    echo "$target: $runs inputs in $seconds s"
  fi
}
# As many at a time as there are processors.
running=()
for target in "$@"; do
  one "$target" &
  running+=($!)
  [ $((${#running[@]} % $(nproc))) = 0 ] && for pid in "${running[@]}"; do wait "$pid" || bad=1; done && running=()
done
for pid in "${running[@]}"; do wait "$pid" || bad=1; done
exit $bad
