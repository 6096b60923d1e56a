#!/usr/bin/env bash
# Prints the Python to make .venv of; nothing where there is none. The version is that of the first
# supported one of python3, python3.13, python3.12 and python3.11; of the builds of that version on
# the PATH it is the fastest: without profile-guided optimisation, as pyenv builds them, pure Python
# takes half as long again.
# usage: launch/find_python.sh
set -euo pipefail

supported='import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
version='import sys; print("python%d.%d" % sys.version_info[:2])'
timed='import sys, time
def work():
  found = {}
  for index in range(100_000):
    found[index % 1000] = len(str(index))
def seconds():
  begun = time.process_time()
  work()
  return time.process_time() - begun
print(f"{min(seconds() for _ in range(5)):.4f} {sys.executable}")'

IFS=: read -ra folders <<<"$PATH"
name=
for each in python3 python3.13 python3.12 python3.11; do
  for folder in "${folders[@]}"; do
    if "$folder/$each" -c "$supported" 2>/dev/null; then
      name=$("$folder/$each" -c "$version")
      break 2
    fi
  done
done
[ -n "$name" ] || exit 0
for folder in "${folders[@]}"; do
  if "$folder/$name" -c "$supported" 2>/dev/null; then "$folder/$name" -c "$timed"; fi
done | sort -n | head -n 1 | cut -d ' ' -f 2-
