#!/usr/bin/env bash
# What one GPU can do for the tables, in pieces of minutes: the benchmark, then five seeds of every
# row side by side on MNIST, then on statically binarised MNIST. Each call goes on where the last
# one stopped.
#
#   reproduce/gpu.sh [SECONDS]          stop after SECONDS (540) or at most half a minute later
#   while reproduce/gpu.sh; [ $? -eq 130 ]; do :; done          all of it, piece by piece
#
# Exit status: 0 all is done, 130 the time was up, else that of what failed. From the environment:
# PRESET, DATA, ROWS, SEEDS, REPLICAS, COMPILE, JOBS, RUNS, SET as `make reproduce-table` has them,
# BENCHMARK, the sections to measure, and PYTHON.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python} limit=${1:-540} runs=${RUNS:-runs}
preset=${PRESET:-paper} seeds=${SEEDS:-5} compile=${COMPILE-1} jobs=${JOBS:-}
sections=${BENCHMARK-training lightning:vae lightning:hvi_avo scoring annealing estimators seeds:vae
seeds:hvi_avo toys depth sizes} # SECTION or SECTION:ROWS
[ "$compile" = 0 ] && compile=
TRIES=2 # of a section of the benchmark: the second has a whole piece to itself
case $limit in '' | *[!0-9]*) echo "gpu.sh: $limit is no number of seconds" >&2; exit 2 ;; esac

mps=
end() {
  [ -z "$mps" ] || { echo quit | nvidia-cuda-mps-control; rm -rf "$mps"; }
}
trap end EXIT
# several processes at a time on one GPU, unless someone has started this already
if [ -z "${CUDA_MPS_PIPE_DIRECTORY:-}" ] && command -v nvidia-cuda-mps-control > /dev/null; then
  mps=$(mktemp -d)
  export CUDA_MPS_PIPE_DIRECTORY=$mps CUDA_MPS_LOG_DIRECTORY=$mps
  nvidia-cuda-mps-control -d && jobs=${jobs:-5}
fi

run='' caught=0 failed=0 tries=''
trap 'caught=$((caught + 1)); [ -z "$run" ] || kill -TERM "$run"' TERM INT

stop() {
  echo "gpu.sh: stopped; the same command goes on" >&2
  exit 130
}

# Run a command until it ends or the time is up: then, as on a signal, what it trains stops at its
# last checkpoint, and the script ends. Where `tries` names a file, a line there is a try.
piece() {
  local left=$((limit - SECONDS)) status before
  [ "$left" -gt 0 ] && [ "$caught" -eq 0 ] || stop
  [ -z "$tries" ] || date >> "$tries"
  timeout --foreground --kill-after=25 "$left" "$@" &
  run=$!
  while before=$caught; wait "$run"; status=$?; [ "$caught" != "$before" ]; do
    : # a signal ended the wait and not the run
  done
  run=''
  if [ "$status" -ne 0 ] && { [ "$caught" -gt 0 ] || [ "$SECONDS" -ge "$limit" ]; }; then
    stop
  fi
  [ "$status" -eq 0 ] || failed=$status
}

for section in $sections; do
  folder=$runs/benchmark/${section/:/_} rows=${section#*:}
  [ "$rows" != "$section" ] || rows=
  [ ! -e "$folder/benchmark.md" ] || continue
  mkdir -p "$folder"
  touch "$folder/tries"
  if [ "$(wc -l < "$folder/tries")" -ge "$TRIES" ]; then
    echo "gpu.sh: left out, $section of the benchmark takes longer than a piece" >&2
    continue
  fi
  tries=$folder/tries piece "$python" -m reproduce.benchmark --no-peers --sections "${section%%:*}" \
    ${rows:+--rows "$rows"} --folder "$folder"
done

for data in ${DATA:-mnist mnist_static}; do
  # shellcheck disable=SC2086 # SET is words
  piece "$python" -m reproduce --preset "$preset" --data "$data" ${ROWS:+--rows "$ROWS"} \
    --seeds "$seeds" --replicas "${REPLICAS:-$seeds}" ${compile:+--compile} ${jobs:+--jobs "$jobs"} \
    --runs "$runs" --set trainer.checkpoint_seconds=60 evaluate.memory_mb=4096 ${SET:-} --keep
  piece "$python" -m reproduce.table.report --preset "$preset" --data "$data"
done
exit "$failed"
