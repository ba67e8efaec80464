#!/usr/bin/env bash
# Runs `cargo test --release` with the given arguments, shows its output as it
# comes, and ends with one line that sums all test programs:
# `N passed, N failed, N skipped`. Skipped are ignored tests, and those that said that they
# find nothing to test on this machine (tests/common/skip.rs). The exit code is cargo's.
# A test program that died before its own summary counts as one failure.
set -uo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp "${TMPDIR:-/tmp}/foveate-test.XXXXXX") || exit 1
trap 'rm -f "$log"' EXIT

"${CARGO:-cargo}" test --release --no-fail-fast "$@" 2>&1 | tee "$log"
code=${PIPESTATUS[0]}

awk -v code="$code" -v seconds="$SECONDS" '
  { gsub(/\033\[[0-9;]*m/, "") }
  # "     Running tests/ops/main.rs (…)" and "   Doc-tests foveate" are from cargo;
  # what tests print starts at the margin.
  /^ +Running .*\(.*\)$/ || /^ +Doc-tests / { programs++ }
  /^test result: (ok|FAILED)\. [0-9]+ passed; [0-9]+ failed; [0-9]+ ignored;/ {
    finished++
    passed += $4; failed += $6; skipped += $8
  }
  # A test may say it of several things.
  /^skipped: / && !said[programs, $2]++ { passed_over++ }
  END {
    died = programs > finished ? programs - finished : 0
    if (died) printf "%d of %d test programs ended without a summary\n", died, programs
    if (code != 0 && failed + died == 0) { print "cargo test failed with exit code " code; failed = 1 }
    printf "\ntests took %d s\n%d passed, %d failed, %d skipped\n", seconds, passed - passed_over, failed + died, skipped + passed_over
  }' "$log"
exit "$code"
