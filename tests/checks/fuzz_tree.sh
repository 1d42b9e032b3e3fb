# SPDX-License-Identifier: Apache-2.0
# Sourced: build/fuzz, which clang builds with AddressSanitizer, UBSan and what libFuzzer asks for. The unit tests' own sources
# are those of the build beside it: the sanitizers watch the libraries, and tests take most of a build.
#
#   fuzz_build TARGETS...   configures and builds; prints what failed
#   $build, $log            the tree, and where logs are
build=${SIMPLON_BUILD:-$PWD/build}/fuzz log=${SIMPLON_BUILD:-$PWD/build}/log
export UBSAN_OPTIONS=print_stacktrace=1

fuzz_build() {
  local clang
  clang=$(compgen -c clang++- | grep -xE 'clang\+\+-(16|19)' | sort -u | head -n 1)
  [ -n "$clang" ] || { echo "${SIMPLON_MAY_SKIP:+skipped: }there is no clang++-16 or clang++-19"; exit 77; }
  mkdir -p "$log"
  cmake --preset fuzz -B "$build" -D CMAKE_CXX_COMPILER="$clang" -D test_objects="$(dirname "$build")/tests" \
    >"$log/fuzz-configure.log" 2>&1 || { tail -n 20 "$log/fuzz-configure.log"; exit 1; }
  ninja -C "$build" "$@" >"$log/fuzz-compile.log" 2>&1 ||
    { grep -E -A10 'FAILED|error' "$log/fuzz-compile.log" | head -n 60; exit 1; }
}
