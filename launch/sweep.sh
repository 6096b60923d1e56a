#!/usr/bin/env bash
# Runs lines of a sweep that `python -m experiments.sweep ... --print >LINES` has printed.
usage='usage: launch/sweep.sh LINES [N] [--train_only]

  LINES         a file with one run per line
  N             only the N-th line, counted from 1 (a task of a Slurm array); else all, in order
  --train_only  the line without its "&& ... experiments.evaluate" part. On more than one host: the
                scores are for one process, and experiments.sweep makes them afterwards

A failed line does not keep the others from running; the exit status is that of the first that
failed. After 75 (stopped and saved) or 76 (a process was lost) no further line is begun.'
set -euo pipefail

die() { printf 'error: %s\n' "$*" >&2; exit 2; }
lines='' only='' train_only=0
for argument; do
  case $argument in
    -h | --help) printf '%s\n' "$usage"; exit 0 ;;
    --train_only) train_only=1 ;;
    -*) die "unknown option $argument; see --help" ;;
    *)
      if [[ -z $lines ]]; then lines=$argument
      elif [[ -z $only ]]; then only=$argument
      else die "unexpected argument '$argument'; see --help"; fi
      ;;
  esac
done
[[ -n $lines ]] || die "expected a file with lines of experiments.sweep --print; see --help"
[[ -f $lines ]] || die "$lines: no such file; make it with experiments.sweep ... --print"
commands=()
while IFS= read -r line || [[ -n $line ]]; do commands+=("$line"); done <"$lines"
if [[ -n $only ]]; then
  [[ $only =~ ^[1-9][0-9]{0,5}$ && $only -le ${#commands[@]} ]] ||
    die "$lines has ${#commands[@]} lines, expected one of their numbers from 1 on, found '$only'"
  commands=("${commands[only - 1]}")
fi

pending=() signalled=0
trap 'pending+=(TERM)' TERM
trap 'pending+=(INT)' INT

status=0
for line in ${commands[@]+"${commands[@]}"}; do
  [[ -n $line ]] || continue
  ((!train_only)) || line=${line%% && *}
  if ((${#pending[@]} || signalled)); then # what is left is for the same command, later
    ((status)) || status=75
    break
  fi
  printf '$ %s\n' "$line"
  # A group of its own gets each signal once. The inner shell must not end of it before the command
  # has saved, nor go on to the second one.
  set -m
  bash -c "trap : TERM INT; $line" </dev/null &
  pid=$!
  set +m
  while kill -0 "$pid" 2>/dev/null; do
    for signal in ${pending[@]+"${pending[@]}"}; do
      signalled=1
      kill "-$signal" -- "-$pid" 2>/dev/null || true
    done
    pending=()
    sleep 0.1 || true
  done
  code=0
  wait "$pid" || code=$?
  ((!code || status)) || status=$code
  ((code != 75 && code != 76)) || break
done
exit "$status"
