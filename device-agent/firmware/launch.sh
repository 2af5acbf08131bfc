#!/bin/sh
# Starts the device agent from the release that /opt/covey/current names; installed as /opt/covey/launcher, brought by
# every release, and run by the starter (starter.sh). A release that was switched to is on trial while the file `trial`
# names it: starts are counted, a deadline is armed, and a release that keeps ending, or is not healthy in time, is left
# again for the one before it, with the reason in the file `failed`. The agent ends its trial by removing `trial`.
# Otherwise nothing of this script stays: it becomes the agent by exec. Containers are never touched.
#
# Every change is written beside, synced, renamed and synced again, in an order in which each step may be the last
# one before a power cut: the next start goes on from there.
#
#   runtime/bin/node  releases/VERSION/device-agent/main.js  current -> releases/VERSION  previous -> …
#   trial   version previous healthySeconds; counted here: crashes boots boot began    (lines KEY=VALUE)
#   failed  version previous reason, and waiting=hub when the time ran out while it waited for the hub
#   note    what the agent on trial still waits for: one line for people, then `hub` if it is the hub
#   report  Node's report of the error that ended the agent on trial (JSON)
#
# Releases are older or newer than the launcher that starts them: these files keep their meaning.
set -u

MAX_CRASHES=3
MAX_BOOTS=5
DEFAULT_HEALTHY_SECONDS=300
STOP_SECONDS=10

install=${COVEY_INSTALL_DIR:-$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)}

say() {
  printf 'covey launch: %s\n' "$*" >&2
}

# Makes a file, or the entries of a directory, durable.
flush() {
  sync "$1" 2>/dev/null || sync
}

write_file() { # name text
  printf '%s\n' "$2" >"$install/$1.tmp" && flush "$install/$1.tmp" &&
    mv -f "$install/$1.tmp" "$install/$1" && flush "$install"
}

# Prints the value of a key in one of the files above; nothing when there is none.
field() { # file key
  [ -f "$install/$1" ] || return 0
  while IFS='=' read -r key value || [ -n "$key" ]; do
    if [ "$key" = "$2" ]; then
      printf '%s' "$value"
      return 0
    fi
  done <"$install/$1"
}

number() { # file key default
  value=$(field "$1" "$2")
  case $value in
    # To a shell, digits after a 0 are octal ones, or an error that ends it.
    '' | *[!0-9]* | 0?* | ??????????*) printf '%s' "$3" ;;
    *) printf '%s' "$value" ;;
  esac
}

# The version that one of the two links names.
linked() {
  path=$(readlink "$install/$1" 2>/dev/null) || return 0
  printf '%s' "${path##*/}"
}

is_complete() {
  [ -n "$1" ] && [ -s "$install/releases/$1/device-agent/main.js" ]
}

switch() { # link version
  rm -f "$install/$1.tmp" && ln -s "releases/$2" "$install/$1.tmp" &&
    mv -fT "$install/$1.tmp" "$install/$1" && flush "$install"
}

uptime_seconds() {
  read -r uptime _ </proc/uptime
  printf '%s' "${uptime%.*}"
}

# When a process began, by which it is told from a later one of the same number; fails when it is gone.
began_at() {
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086 # split on purpose; what stands before ')' may hold spaces
  set -- ${stat##*) }
  printf '%s' "${20}"
}

# Leaves the release on trial for the one before it. Safe to repeat from any point.
go_back() {
  reason=$(field failed reason)
  back=$(field trial previous)
  is_complete "$back" || back=$previous
  if [ "$back" = "$current" ] || ! is_complete "$back"; then
    say "release $current $reason; it runs on, for there is no complete release to go back to"
  elif switch current "$back"; then
    say "release $current $reason; going back to $back"
    current=$back
  else
    # The trial stays, so that the next start, or the agent itself, switches.
    say "release $current $reason; starting $back, although $install/current cannot be changed"
    current=$back
    return
  fi
  rm -f "$install/trial"
  flush "$install"
}

fail_trial() { # reason; why: time
  note=''
  waiting=''
  if [ -f "$install/note" ]; then { read -r note && read -r waiting; } <"$install/note" || :; fi
  # Whatever it waited for, a release that crashes has itself to blame.
  [ "${2:-}" = time ] || waiting=''
  write_file failed "version=$current
previous=$(field trial previous)
reason=$1${note:+: $note}${waiting:+
waiting=$waiting}"
  go_back
}

# Ends the agent when its trial is not over in time. Looks every few seconds, so that it outlives no trial for long;
# its parent ends at once, so that it is no child of the agent.
arm_deadline() { # pid version deadline
  agent_began=$(began_at "$1") || return 0
  (
    (
      exec <&- >/dev/null 2>&1
      while left=$(($3 - $(uptime_seconds))) && [ "$left" -gt 0 ]; do
        sleep $((left < 5 ? left : 5))
        [ "$(field trial version)" = "$2" ] && [ "$(began_at "$1")" = "$agent_began" ] || exit 0
      done
      kill -TERM "$1"
      sleep "$STOP_SECONDS"
      [ "$(began_at "$1")" = "$agent_began" ] && kill -KILL "$1"
    ) &
  )
}

# One more start of the release on trial, or its end.
trial() {
  if [ "$(field failed version)" = "$current" ]; then
    go_back
    return
  fi
  limit=$(number trial healthySeconds "$DEFAULT_HEALTHY_SECONDS")
  crashes=$(number trial crashes 0)
  boots=$(number trial boots 0)
  now=$(uptime_seconds)
  read -r boot </proc/sys/kernel/random/boot_id
  # An agent that ended together with the machine has not failed by that; one that ended before has.
  if [ "$(field trial boot)" = "$boot" ]; then
    began=$(number trial began "$now")
    crashes=$((crashes + 1))
  else
    began=$now
    boots=$((boots + 1))
  fi
  if [ $((now - began)) -ge "$limit" ]; then
    fail_trial "was not healthy within $limit seconds" time
    return
  elif [ "$crashes" -ge "$MAX_CRASHES" ]; then
    fail_trial "ended $crashes times before it was healthy"
    return
  elif [ "$boots" -gt "$MAX_BOOTS" ]; then
    fail_trial "was not healthy before the device had restarted $MAX_BOOTS times" time
    return
  fi
  rm -f "$install/note" "$install/report"
  if ! write_file trial "version=$current
previous=$(field trial previous)
healthySeconds=$limit
crashes=$crashes
boots=$boots
boot=$boot
began=$began"; then
    # What cannot be counted is not tried.
    fail_trial "could not be tried: $install cannot be written"
    return
  fi
  say "release $current is on trial: $((limit - now + began)) seconds to be healthy, $crashes crashes so far"
  arm_deadline $$ "$current" $((began + limit))
  # The agent that comes after a failed trial reads the error from this.
  options="--report-uncaught-exception --report-compact --report-exclude-network --report-dir=$install --report-filename=report"
}

current=$(linked current)
previous=$(linked previous)
options=''
if ! is_complete "$current"; then
  # Only a damaged disk leads here.
  for release in "$install/releases/$previous" "$install"/releases/*; do
    if is_complete "${release##*/}"; then
      say "release ${current:-(none)} is not complete; starting ${release##*/} instead"
      current=${release##*/}
      break
    fi
  done
fi
if ! is_complete "$current"; then
  say "there is no complete release in $install/releases"
  exit 1
fi
if [ -f "$install/trial" ] && [ "$(field trial version)" = "$current" ]; then trial; fi

# A release may bring its own Node.js.
release=$install/releases/$current
node=$release/runtime/bin/node
[ -x "$node" ] || node=$install/runtime/bin/node
[ -x "$node" ] || node=node
export COVEY_INSTALL_DIR="$install" COVEY_RELEASE="$current"
# One pool of memory for all threads, and blocks from 32 KiB on mapped by themselves, so that what a burst of work has
# used goes back to the kernel.
export MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=65536 MALLOC_MMAP_THRESHOLD_=32768
# shellcheck disable=SC2086 # several words, or none
exec "$node" $options "$release/device-agent/main.js" "$@"
