#!/bin/sh
# Starts the launcher (launch.sh), which starts the agent; installed as /opt/covey/launch and run by systemd with
# Restart=always. It stays as the card brought it, so it knows nothing of releases. A confirmed agent puts the launcher
# of its release beside the present one, as `launcher.next`; starts with that are counted here, and an agent that came
# up by it renames it to `launcher`. One that starts no agent a few times, or in time, is never started again. While a
# release is on trial the present launcher is used: two new things are never tried at once.
#
#   launcher  launcher.next  launcher.starts (of launcher.next)  releases/VERSION/launcher    (scripts, from #! on)
#
# What launchers may count on: COVEY_INSTALL_DIR, COVEY_LAUNCHER (the name of the file that was started; the agent
# needs it) and COVEY_STARTER (the number below, counted up with every change of this list), the arguments, and a
# process that they may become by exec.
set -u
export COVEY_STARTER=1

MAX_STARTS=3
PROVE_SECONDS=${COVEY_PROVE_SECONDS:-300}
STOP_SECONDS=10

COVEY_INSTALL_DIR=${COVEY_INSTALL_DIR:-$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)}
export COVEY_INSTALL_DIR
next=$COVEY_INSTALL_DIR/launcher.next
counter=$COVEY_INSTALL_DIR/launcher.starts

say() {
  printf 'covey starter: %s\n' "$*" >&2
}

# Makes a file, or the entries of a directory, durable.
flush() {
  sync "$1" 2>/dev/null || sync
}

count() { # starts
  printf '%s\n' "$1" >"$counter.tmp" && flush "$counter.tmp" &&
    mv -f "$counter.tmp" "$counter" && flush "$COVEY_INSTALL_DIR"
}

# Whole, as far as a shell can tell: to it, a file of zeros is a script that does nothing.
is_usable() {
  { read -r head <"$1"; } 2>/dev/null || return 1
  case $head in '#!'*) sh -n "$1" 2>/dev/null ;; *) return 1 ;; esac
}

# When a process began, by which it is told from a later one of the same number; fails when it is gone.
began_at() {
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086 # split on purpose; what stands before ')' may hold spaces
  set -- ${stat##*) }
  printf '%s' "${20}"
}

# Ends what the next launcher has become when no agent has come up in time, and tries it no more. Looks every few
# seconds, so that it stays no longer than it is needed; its parent ends at once, so that it is no child of the agent.
arm_deadline() { # pid
  began=$(began_at "$1") || return 0
  (
    (
      exec <&- >/dev/null 2>&1
      left=$PROVE_SECONDS
      while [ "$left" -gt 0 ]; do
        pause=$((left < 5 ? left : 5))
        sleep "$pause"
        left=$((left - pause))
        # Once the launcher has its place its count is gone, although another one may be the next by then.
        [ -f "$next" ] && [ -f "$counter" ] && [ "$(began_at "$1")" = "$began" ] || exit 0
      done
      count "$MAX_STARTS"
      kill -TERM "$1"
      sleep "$STOP_SECONDS"
      [ "$(began_at "$1")" = "$began" ] && kill -KILL "$1"
    ) &
  )
}

become() { # launcher arguments…
  launcher=$1
  shift
  export COVEY_LAUNCHER="${launcher##*/}"
  exec sh "$launcher" "$@"
}

if [ -f "$next" ] && [ ! -f "$COVEY_INSTALL_DIR/trial" ]; then
  starts=0
  if [ -f "$counter" ]; then read -r starts <"$counter" || :; fi
  case $starts in
    '' | *[!0-9]* | 0?* | ????*) starts=$MAX_STARTS ;;
  esac
  # What cannot be counted is not tried.
  if [ "$starts" -lt "$MAX_STARTS" ] && is_usable "$next" && count $((starts + 1)); then
    say "trying the next launcher: start $((starts + 1)) of $MAX_STARTS"
    arm_deadline $$
    become "$next" "$@"
  fi
fi

# Only a damaged disk leads past the first.
for each in "$COVEY_INSTALL_DIR/launcher" "$COVEY_INSTALL_DIR/current/launcher" \
  "$COVEY_INSTALL_DIR/previous/launcher" "$COVEY_INSTALL_DIR"/releases/*/launcher; do
  if is_usable "$each"; then become "$each" "$@"; fi
done
say "there is no launcher in $COVEY_INSTALL_DIR: write the card again"
exit 1
