#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Both doors lead into the same house: CMake and Meson have the same options with the same defaults, build the same
# programs and libraries, each library holds the same symbols, and they install the same files in the same places.
cd "$(dirname "$(realpath "$0")")/../.." || exit 1
build=${SIMPLON_BUILD:-$PWD/build} other=${SIMPLON_BUILD:-$PWD/build}/meson bad=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$build/log"
differ() { # WHAT A B : empty lists agree with nothing
  [ -n "$2" ] || { echo "$1: CMake has none"; bad=1; return; }
  diff <(echo "$2") <(echo "$3") >"$scratch/diff" && return
  echo "$1 differ (< CMake, > Meson):"; head -n 20 "$scratch/diff"; bad=1
}
cmake_options=$(sed -nE 's/^option\((\w+) "[^"]*" (\w+)\).*/\1 \2/p; s/^set\((\w+) "([^"]*)" CACHE STRING .*/\1 \2/p' CMakeLists.txt |
  sed 's/ ON$/ true/; s/ OFF$/ false/' | sort)
meson_options=$(sed -nE "s/^option\('(\w+)'.*value: '?([a-z0-9-]+)'?.*/\1 \2/p" meson_options.txt | sort)
differ "options" "$cmake_options" "$meson_options"

# What is compared needs no optimising, and the tests are CMake's.
[ -f "$other/build.ninja" ] || meson setup "$other" -D tests=false -D optimization=0 -D debug=false >"$build/log/meson-setup.log" 2>&1 ||
  { tail -n 20 "$build/log/meson-setup.log"; exit 1; }
ninja -C "$other" >"$build/log/meson-compile.log" 2>&1 || { grep -E -A10 'FAILED|error' "$build/log/meson-compile.log" | head -n 40; exit 1; }

targets() { ninja -C "$1" -t targets all | grep -oE '^(simplon[a-z-]*|libsimplon_[a-z]+\.a): ' | tr -d ': ' | sort -u; }
differ "programs and libraries" "$(targets "$build")" "$(targets "$other")"
symbols() { nm -gC --defined-only "$1" 2>/dev/null | awk '$2 ~ /[TDRB]/ {$1=$2=""; print}' | sort -u; }
for library in $(targets "$build" | grep '\.a$'); do
  differ "symbols of $library" "$(symbols "$build/$library")" "$(symbols "$other/$library")"
done

DESTDIR=$scratch/cmake cmake --install "$build" >"$build/log/cmake-install.log" 2>&1 || { cat "$build/log/cmake-install.log"; exit 1; }
DESTDIR=$scratch/meson meson install -C "$other" --no-rebuild >"$build/log/meson-install.log" 2>&1 || { cat "$build/log/meson-install.log"; exit 1; }
installed() { (cd "$1" && find . -type f -printf '%P %m\n' | sort); }
differ "installed files" "$(installed "$scratch/cmake")" "$(installed "$scratch/meson")"
for want in /sbin/simplond /bin/simplonctl /share/doc/simplon/console.md /share/doc/simplon/examples/gateway.yaml; do
  installed "$scratch/cmake" | grep -q "$want " || { echo "$want is not installed"; bad=1; }
done
[ $bad = 0 ] && echo "doors: $(wc -l <<<"$cmake_options") options, $(targets "$build" | wc -l) programs and libraries and" \
  "$(installed "$scratch/cmake" | wc -l) installed files agree"
exit $bad
