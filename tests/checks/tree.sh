# SPDX-License-Identifier: Apache-2.0
# Sourced: trees that a check builds for itself, below the build that it belongs to.
#
#   tree_build NAME OPTIONS... -- TARGETS...   configures by the preset NAME, and builds; prints what failed
#   fuzz_build TARGETS...                      fuzz: clang with AddressSanitizer, UBSan and what libFuzzer asks for. The unit
#                                              tests' own sources are those of the build above: the sanitizers watch the
#                                              libraries, and tests take most of a build
#   $build, $log                               of the last one: the tree, and where logs are
log=${SIMPLON_BUILD:-$PWD/build}/log
export UBSAN_OPTIONS=print_stacktrace=1

tree_build() {
  local name=$1 options=(); shift
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  build=$(dirname "$log")/$name
  mkdir -p "$log"
  cmake --preset "$name" -B "$build" "${options[@]}" >"$log/$name-configure.log" 2>&1 ||
    { tail -n 20 "$log/$name-configure.log"; exit 1; }
  ninja -C "$build" "$@" >"$log/$name-compile.log" 2>&1 ||
    { grep -E -A10 'FAILED|error' "$log/$name-compile.log" | head -n 60; exit 1; }
}

fuzz_build() {
  local clang
  clang=$(compgen -c clang++- | grep -xE 'clang\+\+-(16|19)' | sort -u | head -n 1)
  [ -n "$clang" ] || { echo "${SIMPLON_MAY_SKIP:+skipped: }there is no clang++-16 or clang++-19"; exit 77; }
  tree_build fuzz -D CMAKE_CXX_COMPILER="$clang" -D test_objects="$(dirname "$log")/tests" -- "$@"
}
