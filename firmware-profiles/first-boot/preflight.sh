#!/bin/sh
# Looks at the system before the device agent starts: what containers need of the kernel, the clock, the disk. What
# can be put right is put right, the kernel's command line included (then the board restarts once); what cannot is
# named in covey/log.txt on the card and in /run/covey/preflight.json, which the agent sends with its join. Installed
# as /opt/covey/preflight; never keeps the agent from starting. `preflight network` says in the log what is wrong with
# the network of a board that has not joined.
set -u
export PATH="${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C

ROOT=${ROOT:-}
HERE=${HERE:-$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)}
SETTINGS=$ROOT/etc/covey/preflight.env
DATA=/var/lib/covey
# Made after the command line was repaired and before the restart that this needs, so that there is only one.
MARKER=$DATA/command-line-repaired
NEEDED_MIB=200
LEAST_CONTROLLERS='cgroup_enable=memory cgroup_memory=1'

CARD='' KERNEL_WORDS='' HUB_HOST='' HUB_PORT=''
# What flashing wrote, quoted.
# shellcheck source=/dev/null
[ ! -f "$SETTINGS" ] || . "$SETTINGS"
CARD=$ROOT$CARD
BOOT=${CARD%/*}
BOOT=${BOOT:-/}
# shellcheck disable=SC2034 # read by common.sh
PART=preflight
# shellcheck source=common.sh
. "$HERE/common.sh"

findings=''
found() { # check severity message
  say "$2: $3"
  text=$(printf '%s' "$3" | sed 's/[\\"]/\\&/g' | tr -d '\000-\037')
  findings="$findings${findings:+,}{\"check\":\"$1\",\"severity\":\"$2\",\"message\":\"$text\"}"
}

has_word() { # text word
  case " $1 " in *" $2 "*) ;; *) return 1 ;; esac
}

check_root() {
  if touch "$ROOT$DATA/.preflight" 2>/dev/null; then
    rm -f "$ROOT$DATA/.preflight"
  elif mount -o remount,rw / 2>/dev/null && touch "$ROOT$DATA/.preflight" 2>/dev/null; then
    rm -f "$ROOT$DATA/.preflight"
    found read-only-root repaired 'the root file system was read-only; it is writable again'
  else
    found read-only-root error "$DATA cannot be written: the card is worn out or damaged; take another card"
  fi
}

check_disk() {
  free=$(df -Pk "$ROOT$DATA" 2>/dev/null | awk 'END { print int($(NF - 2) / 1024) }')
  if [ -n "$free" ] && [ "$free" -lt "$NEEDED_MIB" ]; then
    found disk-space error "$free MiB are free for $DATA, at least $NEEDED_MIB are needed: take a larger card"
  fi
}

check_clock() {
  if ! was=$(least_clock); then
    found clock error "the clock stands at $was and cannot be set"
  elif [ -n "$was" ]; then
    found clock repaired "the clock stood at $was; it was set to the time at which the card was made, until the hub tells it"
  fi
}

check_kernel() {
  modprobe -q overlay 2>/dev/null
  grep -q overlay "$ROOT/proc/filesystems" ||
    found overlay error 'the kernel has no overlayfs, which images need: take the image that the profile names'
  for module in bridge veth nf_tables; do
    modprobe -q "$module" 2>/dev/null || [ -d "$ROOT/sys/module/$module" ] ||
      grep -q "/$module\.ko" "$ROOT/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null || missing="${missing:-}$module "
  done
  [ -z "${missing:-}" ] ||
    found network-modules error "the kernel lacks ${missing}which the network of pods needs: is /lib/modules/$(uname -r) there?"
  if command -v nft >/dev/null && ! nft list tables >/dev/null 2>&1; then
    found network-modules error 'nft cannot speak to the kernel: it lacks nf_tables, or its modules are of another version'
  fi
}

check_cgroups() {
  controllers=$ROOT/sys/fs/cgroup/cgroup.controllers
  if [ ! -f "$controllers" ]; then
    found cgroup-v2 warning 'the system mounts control groups of version 1; Covey runs, but take a system with version 2 (Debian 11 or newer)'
    [ ! -d "$ROOT/sys/fs/cgroup/memory" ] || return 0
  elif has_word "$(cat "$controllers")" memory; then
    rm -f "$ROOT$MARKER"
    return 0
  fi
  repair_command_line
}

# Without the memory controller no limit of a pod holds.
repair_command_line() {
  problem='the memory controller of the kernel is off'
  words="${KERNEL_WORDS:-$LEAST_CONTROLLERS}"
  recover_command_line
  if [ ! -f "$BOOT/cmdline.txt" ]; then
    found memory-cgroup error "$problem: put $words on the kernel's command line"
    return
  fi
  line=$(without_words cgroup_disable=memory)
  for word in $words; do
    has_word "$line" "$word" || line="$line $word"
  done
  if [ "$line" = "$(command_line | sed 's/ *$//')" ]; then
    found memory-cgroup error "$problem although cmdline.txt asks for it: this kernel does not have it, or another command line was used"
  elif [ -e "$ROOT$MARKER" ]; then
    found memory-cgroup error "$problem; cmdline.txt was put right once already and changed again: see who writes $BOOT/cmdline.txt"
  else
    mount -o remount,rw "$BOOT" 2>/dev/null
    if ! write_command_line "$line"; then
      found memory-cgroup error "$problem and $BOOT/cmdline.txt cannot be written: put $words there"
    elif printf '%s\n' "$words" | put "$MARKER" 644; then
      found memory-cgroup repaired "$problem; cmdline.txt now has $words, and the board restarts"
      restart=1
    else
      # A restart that leaves no trace might be one of many.
      found memory-cgroup error "$problem; cmdline.txt now has $words, but $DATA cannot be written: restart the board"
    fi
  fi
}

check_interfaces() {
  for interface in "$ROOT"/sys/class/net/*; do
    [ ! -e "$interface/device" ] || return 0
  done
  found network-link error 'the board has no network interface: a driver or its firmware is missing from the image'
}

# For a person, in the log only: by the time anybody could be told, the network works.
check_network() {
  up=''
  for interface in "$ROOT"/sys/class/net/*; do
    [ -e "$interface/device" ] || continue
    name=${interface##*/}
    if [ "$(cat "$interface/carrier" 2>/dev/null)" = 1 ]; then up="$up $name"; else down="${down:-} $name"; fi
  done
  if [ -z "$up" ]; then
    say "no link on${down:- any interface}: is the cable plugged in? Are name and password of the Wi-Fi right, and its country?"
  elif [ -z "$(ip -4 route show default 2>/dev/null)" ]; then
    say "link on$up, but no route to the world: no answer by DHCP, or a wrong static address"
  elif ! getent ahosts "$HUB_HOST" >/dev/null; then
    say "the name of the hub, $HUB_HOST, is not known to the name server ($(sed -n 's/^nameserver //p' "$ROOT/etc/resolv.conf" 2>/dev/null | tr '\n' ' ')): give the card an address that this network can resolve"
  elif ! "$ROOT/opt/covey/runtime/bin/node" -e "require('net').connect($HUB_PORT,'$HUB_HOST',()=>process.exit(0)).on('error',()=>process.exit(1)).setTimeout(10000,()=>process.exit(1))"; then
    say "the hub at $HUB_HOST port $HUB_PORT does not answer: is it running, and reachable from this network?"
  else
    say "the network works and the hub at $HUB_HOST port $HUB_PORT answers; what keeps the board from joining stands in the lines of the agent"
  fi
}

if [ "${1:-}" = network ]; then
  [ -d "$ROOT$DATA/identity" ] || check_network
  exit 0
fi

restart=''
check_root
check_clock
check_cgroups
check_kernel
check_disk
check_interfaces
if [ -z "$findings" ] && [ ! -d "$ROOT$DATA/identity" ]; then say 'all is well; the agent starts'; fi
mkdir -p "$ROOT/run/covey"
printf '[%s]\n' "$findings" >"$ROOT/run/covey/preflight.json.new"
mv -f "$ROOT/run/covey/preflight.json.new" "$ROOT/run/covey/preflight.json"
if [ -n "$restart" ]; then
  sync
  systemctl reboot
fi
exit 0
