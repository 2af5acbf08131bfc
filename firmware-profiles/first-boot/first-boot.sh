#!/bin/sh
# First boot of a card that Covey was flashed to: makes a device of the system that it finds, without a network, then
# disarms itself; whoever started it restarts the board, and the device agent joins its hub. Runs as root from the
# card, by the kernel's command line (systemd.run=) or by covey-first-boot.service.
#
# Every step looks at what is there before it acts and writes what it changes whole or not at all, so the power may
# be cut anywhere: the next boot runs all of it again and comes to the same end. The claim, the one secret that makes
# this board a device, is moved off the card last but one; disarming comes last. What happens stands in
# covey/log.txt on the card.
set -u
# Whatever the service manager left out.
export PATH="${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C DEBIAN_FRONTEND=noninteractive

ROOT=${ROOT:-}
SYS=${SYS:-/sys}
CARD=${CARD:-$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)}
BOOT=${CARD%/*}
BOOT=${BOOT:-/}
# shellcheck disable=SC2034 # read by common.sh
PART=first-boot
STATE=/var/lib/covey/first-boot
OPT=/opt/covey
# Where cloud-init writes the network's settings for netplan.
NETPLAN=/etc/netplan/50-cloud-init.yaml
MAX_FAILURES=3

# shellcheck source=common.sh
. "$CARD/common.sh"
# shellcheck source=grow-root.sh
. "$CARD/grow-root.sh"

# Ends with a reason. A failure may pass, so the next boot tries again; after a few the board starts without Covey,
# so that a person can look at it.
fail() {
  say "failed: $*"
  failures=$(cat "$CARD/failures" 2>/dev/null)
  case $failures in
    [1-9]) failures=$((failures + 1)) ;;
    *) failures=1 ;;
  esac
  # What cannot be counted would be tried for ever.
  { printf '%s\n' "$failures" >"$CARD/failures"; } 2>/dev/null && flush "$CARD/failures" &&
    [ "$(cat "$CARD/failures")" = "$failures" ] || failures=$MAX_FAILURES
  if is_armed && [ "$failures" -ge "$MAX_FAILURES" ]; then
    say "gave up after $failures attempts; the system starts without Covey. Put it right and write the card again"
    disarm
  fi
  sync
  exit 1
}

is_armed() {
  case "$(command_line 2>/dev/null)" in
    *systemd.run=*/covey/first-boot.sh*) ;;
    *) return 1 ;;
  esac
}

# The next boot is a normal one.
disarm() {
  if is_armed; then
    write_command_line "$(without_words systemd.run= systemd.run_success_action= \
      systemd.run_failure_action= systemd.unit=)" || say 'cmdline.txt could not be written'
  fi
  rm -f "$ROOT/etc/systemd/system/multi-user.target.wants/covey-first-boot.service"
  sync
}

# The image may be that of a card: what an earlier card has done with this system counts for nothing.
begin_anew() {
  card=$(sha256sum <"$CARD/card.json")
  [ "$(cat "$ROOT$STATE/card" 2>/dev/null)" != "$card" ] || return 0
  rm -rf "$ROOT$STATE"
  printf '%s\n' "$card" | put "$STATE/card" 644
}

# --- what the card brings -------------------------------------------------------------------------------------------

# /opt/covey is the payload of this card, or not there.
unpack_payload() {
  digest=$(cut -c 1-64 "$CARD/payload.sha256")
  [ "${#digest}" -eq 64 ] || fail 'covey/payload.sha256 is missing or damaged; write the card again'
  if [ "$(cat "$ROOT$OPT/.payload" 2>/dev/null)" = "$digest" ]; then
    rm -rf "$ROOT$OPT.old"
    return 0
  fi
  (cd "$CARD" && sha256sum -c payload.sha256 >/dev/null 2>&1) ||
    fail 'covey/payload.tar.gz is damaged (its checksum is wrong): write the card again, or take another card'
  say "unpacking the payload, $(($(wc -c <"$CARD/payload.tar.gz") / 1048576)) MiB"
  rm -rf "$ROOT$OPT.new"
  mkdir -p "$ROOT$OPT.new"
  if ! tar -xzf "$CARD/payload.tar.gz" -C "$ROOT$OPT.new"; then
    free=$(df -m "$ROOT/" | awk 'END { print $(NF - 2) }')
    # Whoever looks at the system then has room to.
    rm -rf "$ROOT$OPT.new"
    fail "the payload could not be unpacked; $free MiB are free on the root file system"
  fi
  printf '%s\n' "$digest" >"$ROOT$OPT.new/.payload" || fail 'the root file system cannot be written'
  sync
  # In between neither is there; then it is unpacked again.
  if [ -e "$ROOT$OPT" ]; then
    rm -rf "$ROOT$OPT.old"
    mv "$ROOT$OPT" "$ROOT$OPT.old" || fail 'what was in /opt/covey could not be put aside'
  fi
  mv "$ROOT$OPT.new" "$ROOT$OPT" || fail 'the payload could not be put into /opt/covey'
  sync
  rm -rf "$ROOT$OPT.old"
  say "the payload is unpacked: agent $(readlink "$ROOT$OPT/current" | sed 's|.*/||')"
}

is_installed() { # package
  case "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" in
    'install ok installed') ;;
    *) return 1 ;;
  esac
}

is_older() { # deb: an older version of it is installed
  version=$(dpkg-query -W -f '${Version}' "$(dpkg-deb -f "$1" Package)" 2>/dev/null) || return 1
  dpkg --compare-versions "$version" lt "$(dpkg-deb -f "$1" Version)"
}

# Packages that the system lacks. What was begun once is installed again after a power cut, whatever dpkg's records
# say: its files may not have reached the disk. Nothing is ever made older.
install_packages() {
  debs=$ROOT$OPT/debs
  rm -rf "$debs.done"
  [ -d "$debs" ] || return 0
  if [ ! -f "$ROOT$STATE/packages" ]; then
    for deb in "$debs"/*.deb; do
      [ -f "$deb" ] || continue
      is_installed "$(dpkg-deb -f "$deb" Package)" || printf '%s\n' "${deb##*/}"
    done | put "$STATE/packages" 644 || fail 'the root file system cannot be written'
  fi
  suite=$(sed -n 's/^VERSION_CODENAME=//p' "$ROOT/usr/lib/os-release" "$ROOT/etc/os-release" 2>/dev/null | sed -n 1p)
  brought=$(cat "$debs/suite" 2>/dev/null)
  if [ -s "$ROOT$STATE/packages" ] && [ "$suite" != "$brought" ]; then
    say "the system is ${suite:-of unknown release}, the packages on the card are for $brought; trying them"
  fi
  if [ -s "$ROOT$STATE/packages" ]; then
    say "installing $(wc -l <"$ROOT$STATE/packages" | tr -d ' ') packages"
    dpkg --configure -a >/dev/null 2>&1
    # shellcheck disable=SC2046 # names of packages hold no blanks
    set -- $(sed "s|^|$debs/|" "$ROOT$STATE/packages")
    if ! dpkg_install "$@"; then
      # Something that is there may be too old for them.
      for deb in "$debs"/*.deb; do
        if is_older "$deb"; then set -- "$@" "$deb"; fi
      done
      dpkg_install "$@" ||
        fail "packages could not be installed: $(grep -m 1 -E 'error|dependency|space' "$ROOT$STATE/dpkg.log" || tail -n 1 "$ROOT$STATE/dpkg.log")"
    fi
    sync
    say "packages installed: $(sed 's/_.*//' "$ROOT$STATE/packages" | tr '\n' ' ')"
  fi
  # Some of them would be too few for another try.
  mv "$debs" "$debs.done" && rm -rf "$debs.done"
  sync
}

dpkg_install() {
  # Everything is made durable at once afterwards.
  dpkg --force-unsafe-io --force-confold --force-confdef -i "$@" >"$ROOT$STATE/dpkg.log" 2>&1 </dev/null
}

# --- settings -------------------------------------------------------------------------------------------------------

# Copies a tree of the card to its place. Names of files with secrets decide their mode, which a FAT does not keep.
install_tree() { # directory
  [ -d "$1" ] || return 0
  (cd "$1" && find . -type f) | sort | while read -r path; do
    case $path in
      */agent.env | *.nmconnection | *wpa_supplicant*.conf | */authorized_keys | *.yaml) mode=600 ;;
      *) mode=644 ;;
    esac
    put "${path#.}" "$mode" <"$1/$path" || exit 1
  done
}

set_hostname() {
  if [ "$(cat "$ROOT/etc/hostname" 2>/dev/null)" != "$NAME" ]; then
    printf '%s\n' "$NAME" | put /etc/hostname 644 || return 1
  fi
  if ! grep -q "^127\.0\.1\.1[[:space:]]*$NAME\$" "$ROOT/etc/hosts" 2>/dev/null; then
    {
      grep -v '^127\.0\.1\.1' "$ROOT/etc/hosts" 2>/dev/null
      printf '127.0.1.1\t%s\n' "$NAME"
    } | put /etc/hosts 644 || return 1
  fi
}

# Which program manages the network, by what is enabled, else by what is installed.
network_manager() {
  units=$ROOT/etc/systemd/system
  if [ -e "$ROOT/usr/sbin/NetworkManager" ]; then echo networkmanager
  elif [ -e "$ROOT/usr/sbin/dhcpcd" ] || [ -e "$ROOT/sbin/dhcpcd" ]; then echo dhcpcd
  elif [ -e "$ROOT/usr/sbin/netplan" ]; then echo netplan
  elif [ -e "$ROOT/usr/sbin/ifup" ] && [ ! -L "$units/multi-user.target.wants/systemd-networkd.service" ]; then echo ifupdown
  else echo networkd
  fi
}

has_supplicant() {
  [ -e "$ROOT/usr/sbin/wpa_supplicant" ] || [ -e "$ROOT/sbin/wpa_supplicant" ]
}

# Once only: what is on the card later is on its way to be wiped.
set_network() {
  if [ ! -d "$CARD/network" ] || [ -f "$ROOT$STATE/network" ]; then return 0; fi
  manager=$(network_manager)
  install_tree "$CARD/network/$manager" || return 1
  case $manager in
    networkd)
      put_link /etc/systemd/system/multi-user.target.wants/systemd-networkd.service \
        /lib/systemd/system/systemd-networkd.service || return 1
      ;;
    dhcpcd)
      if [ -f "$CARD/network/dhcpcd.conf" ]; then
        {
          sed '/^# Covey: begin/,/^# Covey: end/d' "$ROOT/etc/dhcpcd.conf" 2>/dev/null
          cat "$CARD/network/dhcpcd.conf"
        } | put /etc/dhcpcd.conf 644 || return 1
      fi
      ;;
  esac
  if [ -n "$WIFI" ]; then
    case $manager in
      networkd | ifupdown)
        if has_supplicant; then
          put_link "/etc/systemd/system/multi-user.target.wants/wpa_supplicant@$WIFI.service" \
            /lib/systemd/system/wpa_supplicant@.service || return 1
        else
          say 'Wi-Fi was asked for, but the image has no wpa_supplicant: only a cable will do'
        fi
        ;;
    esac
    # An image keeps the radio off until a country was chosen.
    rfkill unblock wifi 2>/dev/null
    for switch in "$ROOT"/var/lib/systemd/rfkill/*:wlan; do
      if [ -f "$switch" ]; then echo 0 | put "${switch#"$ROOT"}" 644 || return 1; fi
    done
  fi
  say "the network settings are in place, for $manager"
}

# Keys are root's: a device has no other users. Without a key nobody logs in from the network.
set_ssh() {
  [ -f "$CARD/authorized_keys" ] || return 0
  keys=$ROOT/root/.ssh/authorized_keys
  mkdir -p "$ROOT/root/.ssh" && chmod 700 "$ROOT/root/.ssh"
  {
    [ ! -f "$keys" ] || grep -v -x -F -f "$CARD/authorized_keys" "$keys"
    cat "$CARD/authorized_keys"
  } | put /root/.ssh/authorized_keys 600 || return 1
  for unit in /lib/systemd/system/ssh.service /lib/systemd/system/sshd.service; do
    [ -e "$ROOT$unit" ] || continue
    printf 'PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n' |
      put /etc/ssh/sshd_config.d/10-covey.conf 644 || return 1
    put_link "/etc/systemd/system/multi-user.target.wants/${unit##*/}" "$unit" || return 1
    say 'SSH is on, for root with the keys of the card'
    return 0
  done
  say 'an SSH key was given, but the image has no SSH server'
}

# The card wears less when reading a file does not write.
set_noatime() {
  table=$ROOT/etc/fstab
  [ -f "$table" ] || return 0
  changed=$(awk '!/^[[:space:]]*#/ && $2 == "/" && $4 !~ /noatime/ { $4 = $4 ",noatime" } { print }' "$table") ||
    return 1
  if [ "$changed" != "$(cat "$table")" ]; then printf '%s\n' "$changed" | put /etc/fstab 644 || return 1; fi
}

# Raspberry Pi OS asks for a user's name on the console before it shows a login.
skip_questions() {
  wants=$ROOT/etc/systemd/system/multi-user.target.wants/userconfig.service
  [ -L "$wants" ] || return 0
  # A login first: what is gone is not replaced by the next try.
  put_link /etc/systemd/system/getty.target.wants/getty@tty1.service /lib/systemd/system/getty@.service &&
    rm -f "$wants"
}

# Units of the payload, enabled where their [Install] says.
set_services() {
  for unit in "$ROOT$OPT"/units/*; do
    name=${unit##*/}
    put "/etc/systemd/system/$name" 644 <"$unit" || fail "$name could not be installed"
    target=$(sed -n 's/^WantedBy=//p' "$unit")
    [ -z "$target" ] || put_link "/etc/systemd/system/$target.wants/$name" "/etc/systemd/system/$name" ||
      fail "$name could not be enabled"
  done
}

# Overwrites a file of the card before it is removed.
wipe() {
  [ -f "$1" ] || return 0
  bytes=$(wc -c <"$1")
  dd if=/dev/zero of="$1" bs="$bytes" count=1 conv=notrunc,fsync 2>/dev/null
  rm -f "$1"
}

# The card was made for wlan0. Where the system names a radio after its place in the machine (wlp1s0), netplan's file gets
# that name, if there is one radio only.
name_radio() {
  if [ "$WIFI" != wlan0 ] || [ -e "$SYS/class/net/$WIFI" ]; then return 0; fi
  set -- "$SYS"/class/net/*/phy80211
  if [ $# -ne 1 ] || [ ! -e "$1" ] || [ ! -f "$ROOT$NETPLAN" ]; then return 0; fi
  radio=${1%/phy80211}
  radio=${radio##*/}
  sed "s/^\( *\)$WIFI:/\1$radio:/" "$ROOT$NETPLAN" | put "$NETPLAN" 600 || fail 'the network settings could not be fixed'
  say "the Wi-Fi is on $radio"
}

# cloud-init has made the system's own network settings of network-config before it started this, and does so once for a
# card. The key of the Wi-Fi is needed there no more; cloud-init is told first to leave the settings as they are.
settle_network_config() {
  if [ -z "$SEED_NETWORK" ] || [ ! -f "$BOOT/$SEED_NETWORK" ]; then return 0; fi
  key=$(sed -n 's/.*password:[^0-9a-f]*\([0-9a-f]\{64\}\).*/\1/p' "$BOOT/$SEED_NETWORK")
  if [ -n "$key" ] && ! printf '%s\n' "$key" | grep -r -q -F -f - "$ROOT/etc/netplan" "$ROOT/etc/NetworkManager" \
    "$ROOT/etc/network" "$ROOT/etc/wpa_supplicant" "$ROOT/etc/systemd/network" 2>/dev/null; then
    say 'Wi-Fi was asked for, but the cloud-init of this image has not set it up: only a cable will do'
  elif [ -n "$key" ] && ! has_supplicant; then
    say 'Wi-Fi was asked for, but the image has no wpa_supplicant: only a cable will do'
  fi
  name_radio
  # Some versions let everybody read the key.
  if [ -f "$ROOT$NETPLAN" ]; then chmod 600 "$ROOT$NETPLAN"; fi
  echo 'network: {config: disabled}' | put /etc/cloud/cloud.cfg.d/99-disable-network-config.cfg 644 ||
    fail 'the network settings could not be fixed'
  # What cloud-init has written as well.
  sync
  wipe "$BOOT/$SEED_NETWORK"
  flush "$BOOT"
  say 'the key of the Wi-Fi was removed from the card'
}

# The claim goes to where only root reads it, then off the card: whoever copies the card later has no claim.
move_claim() {
  if [ -f "$CARD/claim" ] && grep -q -x '[a-z0-9]*\.[A-Za-z0-9]*' "$CARD/claim" 2>/dev/null; then
    mkdir -p "$ROOT/var/lib/covey"
    chmod 700 "$ROOT/var/lib/covey"
    put /var/lib/covey/claim 600 <"$CARD/claim" || fail 'the claim could not be moved to /var/lib/covey'
    say 'the claim was moved off the card'
  elif [ ! -s "$ROOT/var/lib/covey/claim" ] && [ ! -d "$ROOT/var/lib/covey/identity" ]; then
    fail 'the card has no claim: it was used already, or copied after its first boot. Write it again'
  fi
  wipe "$CARD/claim"
  # The key of the Wi-Fi is the system's by now.
  if [ -d "$CARD/network" ]; then
    : | put "$STATE/network" 644 || fail 'the root file system cannot be written'
    find "$CARD/network" -type f | while read -r path; do wipe "$path"; done
    rm -rf "$CARD/network"
  fi
  flush "$CARD"
}

# The image's id would make every card of it one machine to DHCP servers. It is made anew at the next boot, which is
# a first one to the image's own services if this one was.
reset_machine_id() {
  [ ! -f "$ROOT$STATE/machine-id" ] || return 0
  if [ -e "$ROOT/run/systemd/first-boot" ]; then echo uninitialized; fi | put /etc/machine-id 444 || return 1
  : | put "$STATE/machine-id" 644
}

# --- in this order --------------------------------------------------------------------------------------------------

recover_command_line
[ -f "$CARD/card.env" ] || fail 'covey/card.env is missing or damaged; write the card again'
NAME='' PROFILE='' WIFI='' SEED_NETWORK=''
# What flashing wrote, quoted.
# shellcheck source=/dev/null
. "$CARD/card.env"
[ -n "$NAME" ] || fail 'covey/card.env is missing or damaged; write the card again'

# So that the times in the log are of some use.
was=$(least_clock) || :
model=''
if [ -f "$SYS/firmware/devicetree/base/model" ]; then model=$(tr -d '\0' <"$SYS/firmware/devicetree/base/model"); fi
say "begins: $NAME, profile $PROFILE, on ${model:-$(uname -m)}"
[ -z "$was" ] || say "the clock stood at $was; until the hub tells it, it shows the time at which the card was made"
begin_anew || fail 'the root file system cannot be written'
grow_root
unpack_payload
install_packages
# A table that needed a tool of the packages.
grow_root
set_hostname || fail 'the host name could not be set'
install_tree "$CARD/files" || fail 'the settings could not be written'
grep -q 'BEGIN CERTIFICATE' "$CARD/hub-ca.pem" || fail 'covey/hub-ca.pem is missing or damaged; write the card again'
put /etc/covey/hub-ca.pem 644 <"$CARD/hub-ca.pem" || fail 'the settings could not be written'
set_network || fail 'the network settings could not be written'
set_ssh || fail 'the SSH keys could not be written'
set_noatime || fail '/etc/fstab could not be written'
skip_questions || fail 'the login could not be enabled'
set_services
reset_machine_id || fail 'the id of the machine could not be reset'
settle_network_config
move_claim
printf '%s\n' "$NAME" | put "$STATE/done" 644 || fail 'the root file system cannot be written'
rm -f "$CARD/failures" "$ROOT$STATE/dpkg.log"
say 'done; the board restarts and joins the hub'
disarm
