#!/bin/bash
# Both doors lead into the same house: CMake and Meson have the same options with the same defaults, build the same
# programs, and each library holds the same symbols.
cd "$(dirname "$(realpath "$0")")/../.." || exit 1
build=${SIMPLON_BUILD:-$PWD/build} other=${SIMPLON_BUILD:-$PWD/build}/meson bad=0
differ() { # WHAT A B
  diff <(echo "$2") <(echo "$3") >/tmp/doors.$$ && return
  echo "$1 differ (< CMake, > Meson):"; head -n 20 /tmp/doors.$$; rm -f /tmp/doors.$$; bad=1
}
cmake_options=$(sed -nE 's/^option\((\w+) "[^"]*" (\w+)\).*/\1 \2/p; s/^set\((\w+) "([^"]*)" CACHE STRING .*/\1 \2/p' CMakeLists.txt |
  sed 's/ ON$/ true/; s/ OFF$/ false/' | sort)
meson_options=$(sed -nE "s/^option\('(\w+)'.*value: '?([a-z0-9-]+)'?.*/\1 \2/p" meson_options.txt | sort)
[ -n "$cmake_options" ] || { echo "no options found"; exit 1; }
differ "options" "$cmake_options" "$meson_options"

[ -f "$other/build.ninja" ] || meson setup "$other" >"$build/log/meson-setup.log" 2>&1 ||
  { tail -n 20 "$build/log/meson-setup.log"; exit 1; }
ninja -C "$other" >"$build/log/meson-compile.log" 2>&1 || { grep -E -A10 'FAILED|error' "$build/log/meson-compile.log" | head -n 40; exit 1; }

for name in simplond simplonctl simplon-bench; do
  [ -x "$build/$name" ] && [ -x "$other/$name" ] || { echo "$name is not built by both"; bad=1; }
done
symbols() { nm -gC --defined-only "$1" 2>/dev/null | awk '$2 ~ /[TDRB]/ {$1=$2=""; print}' | sort -u; }
for library in base dp ike vici ctrl; do
  a=$(symbols "$build/libsimplon_$library.a") b=$(symbols "$other/libsimplon_$library.a")
  [ -n "$a" ] || { echo "libsimplon_$library.a: no symbols"; bad=1; }
  differ "symbols of simplon_$library" "$a" "$b"
done
[ $bad = 0 ] && echo "doors: $(echo "$cmake_options" | wc -l) options, 3 programs and 5 libraries agree"
exit $bad
