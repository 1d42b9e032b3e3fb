#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every source file says its licence at its head (after the line of the interpreter). spdx_test.sh --fix [PATHS...] writes it.
cd "$(dirname "$(realpath "$0")")/../.." || exit 1
licence='SPDX-License-Identifier: Apache-2.0'
fix=
[ "${1:-}" = --fix ] && { fix=1; shift; }
mapfile -t files < <(git ls-files -- "$@" 2>/dev/null || find "${@:-.}" -type f -not -path './build*' -not -path './.git/*' | sed 's|^\./||')
bad=0 seen=0
for file in "${files[@]}"; do
  case $file in
    *.h|*.cpp) line="// $licence" ;;
    *.sh|*.py|*CMakeLists.txt|*meson.build|meson_options.txt|simplon|.ci/run|tests/uml/uml-run|docker/Dockerfile) line="# $licence" ;;
    *) continue ;;
  esac
  [ -f "$file" ] || continue
  seen=$((seen + 1))
  at=1
  [[ $(head -n 1 "$file") == '#!'* ]] && at=2
  [ "$(sed -n "${at}p" "$file")" = "$line" ] && continue
  if [ -n "$fix" ]; then sed -i "${at}i $line" "$file"; else echo "$file: line $at is not '$line'"; bad=1; fi
done
[ -n "$fix" ] || [ $seen -gt 250 ] || { echo "only $seen files found"; exit 1; }
[ $bad = 0 ] && echo "spdx: $seen files"
exit $bad
