#!/bin/bash
# fuzz_test.sh [TARGETS...]: builds the fuzz targets with clang and runs each for SIMPLON_FUZZ_SECONDS (20) from its seeds.
# A crash, a sanitizer's report, an input of over 10 s or a target that hardly ran fails the test; what caused it is kept.
set -u
cd "$(dirname "$(realpath "$0")")/../.." || exit 1
build=${SIMPLON_BUILD:-$PWD/build}/fuzz log=${SIMPLON_BUILD:-$PWD/build}/log seconds=${SIMPLON_FUZZ_SECONDS:-20}
[ $# -gt 0 ] || set -- ike_message_fuzz ike_endpoint_fuzz vici_fuzz config_fuzz
command -v clang++-16 >/dev/null || { echo "skipped: no clang++-16"; exit 77; }
mkdir -p "$log"
[ -f "$build/build.ninja" ] ||
  CC=clang-16 CXX=clang++-16 cmake -S . -B "$build" -G Ninja -D fuzz=ON -D tests=OFF -D perf=OFF >"$log/fuzz-configure.log" 2>&1 ||
  { tail -n 20 "$log/fuzz-configure.log"; rm -f "$build/build.ninja"; exit 1; }
ninja -C "$build" "$@" fuzz_seeds >"$log/fuzz-compile.log" 2>&1 || { grep -E -A10 'FAILED|error' "$log/fuzz-compile.log" | head -n 60; exit 1; }

seeds=$build/seeds bad=0
rm -rf "$seeds" && mkdir -p "$seeds/config_fuzz"
"$build/tests/fuzz/fuzz_seeds" "$seeds" || { echo "no seeds were made"; exit 1; }
cp conf/*.yaml "$seeds/config_fuzz/" || exit 1
export UBSAN_OPTIONS=print_stacktrace=1
for target in "$@"; do
  corpus=$build/corpus/$target
  mkdir -p "$corpus" "$seeds/$target"
  # The corpus grows from run to run; the seeds are always tried first.
  "$build/tests/fuzz/$target" "$corpus" "$seeds/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$log/$target-" -print_final_stats=1 >"$log/$target.log" 2>&1
  status=$? runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log/$target.log")
  if [ $status != 0 ]; then
    echo "$target fails (the input is in $log/$target-*):"
    grep -E -A25 'ERROR:|runtime error|SUMMARY' "$log/$target.log" | head -n 50
    bad=1
  elif [ "${runs:-0}" -lt 100 ]; then
    echo "$target ran ${runs:-0} inputs only, see $log/$target.log"
    bad=1
  else
    echo "$target: $runs inputs in $seconds s"
  fi
done
exit $bad
