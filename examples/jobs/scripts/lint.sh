#!/bin/sh
# Says which settings of a file have no value: exit code 42 (a warning) if there are any, 43 (skipped) without a file.
set -eu
[ -f "$1" ] || exit 43
if grep -n '=$' "$1"; then
  echo "::warning file=app.conf,line=$(grep -n '=$' "$1" | head -n 1 | cut -d: -f1)::a setting has no value"
  exit 42
fi
echo "every setting has a value"
