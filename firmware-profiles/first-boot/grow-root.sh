# shellcheck shell=sh
# The root partition and its file system, grown to the end of the card. A part of first-boot.sh; POSIX sh, for dash and
# busybox. The caller sets SYS (where sysfs is) and has read common.sh. Safe to repeat: it looks at what there is.

# A partition is grown when it gains more than this many sectors: 16 MiB.
WORTH_SECTORS=32768

# Prints a little-endian number of four bytes.
four_bytes() {
  for shift in 0 8 16 24; do
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\$(printf %03o $((($1 >> shift) & 255)))"
  done
}

# A table of the old kind (not GPT) is one sector, in which the size is a number: no tool is needed.
is_mbr() { # disk
  case "$(dd if="$1" bs=1 skip=450 count=1 2>/dev/null | od -An -tx1 | tr -d ' ')" in
    ee) return 1 ;;
  esac
  [ "$(dd if="$1" bs=1 skip=510 count=2 2>/dev/null | od -An -tx1 | tr -d ' ')" = 55aa ]
}

enlarge_partition() { # disk number sectors
  if command -v sfdisk >/dev/null; then
    is_mbr "$1" || sfdisk -q --relocate gpt-bak-std "$1" >/dev/null 2>&1
    printf ', +\n' | sfdisk -q --no-reread --no-tell-kernel --force -N "$2" "$1" >/dev/null 2>&1 || return 1
  elif is_mbr "$1" && [ "$2" -le 4 ]; then
    four_bytes "$3" | dd of="$1" bs=1 seek=$((446 + 16 * ($2 - 1) + 12)) conv=notrunc,fsync 2>/dev/null || return 1
  else
    return 1
  fi
  partx -u --nr "$2" "$1" 2>/dev/null || resizepart "$1" "$2" "$3" 2>/dev/null
}

# Grows the last partition and its file system to the end of the card. Does nothing where the image has done it.
grow_root() {
  device=$(findmnt -n -o SOURCE / 2>/dev/null) || return 0
  device=$(readlink -f "$device")
  own=$SYS/class/block/${device##*/}
  [ -f "$own/partition" ] || return 0
  parent=$(readlink -f "$own/..")
  [ "${parent##*/}" != block ] || parent=$(readlink -f "$(readlink -f "$own")/..")
  start=$(cat "$own/start")
  size=$(cat "$own/size")
  for other in "$parent/${parent##*/}"*/start; do
    if [ -f "$other" ] && [ "$(cat "$other")" -gt "$start" ]; then
      say 'the root partition is not the last one on the disk; its size stays'
      return 0
    fi
  done
  # The end of the disk may hold a second partition table; and the old kind of table counts to 2^32 only.
  wanted=$(($(cat "$parent/size") - start - 64))
  [ $((start + wanted)) -le 4294967295 ] || wanted=$((4294967295 - start))
  if [ $((wanted - size)) -gt "$WORTH_SECTORS" ]; then
    if enlarge_partition "/dev/${parent##*/}" "$(cat "$own/partition")" "$wanted"; then
      say "the root partition was grown to $(($(cat "$own/size") / 2048)) MiB"
    else
      say 'the root partition could not be grown; its size stays'
    fi
  fi
  if [ "$(findmnt -n -o FSTYPE /)" = ext4 ]; then
    resize2fs "$device" >/dev/null 2>&1 || say 'the root file system could not be grown; its size stays'
  fi
}
