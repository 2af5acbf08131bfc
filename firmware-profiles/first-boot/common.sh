# shellcheck shell=sh
# Shared by first-boot.sh and preflight.sh: the log on the card, durable writes, and the kernel's command line.
# POSIX sh, for dash and busybox. The caller sets PART (whose lines these are), ROOT (before every path of the
# system; empty on a board), CARD (the directory covey/ of the card) and BOOT (the volume that it lies on).

LOG_LIMIT=65536
LOG_KEPT=32768
# One sector: what a card writes whole or not at all.
SECTOR=512

# Makes a file, or the entries of a directory, durable.
flush() {
  sync "$1" 2>/dev/null || sync
}

# Shows one line on the console and keeps it in the card's log, where a person reads it on a PC. Never fails.
say() {
  line="$(date -u +%Y-%m-%dT%H:%M:%SZ) $PART: $*"
  printf '%s\n' "$line"
  keep_line || {
    mount -o remount,rw "$BOOT" 2>/dev/null && keep_line
  } || :
}

keep_line() {
  [ -d "$CARD" ] || return 0
  if [ -f "$CARD/log.txt" ] && [ "$(wc -c <"$CARD/log.txt")" -gt "$LOG_LIMIT" ]; then
    tail -c "$LOG_KEPT" "$CARD/log.txt" | sed 1d >"$CARD/log.new" && flush "$CARD/log.new" &&
      mv -f "$CARD/log.new" "$CARD/log.txt"
  fi
  { printf '%s\n' "$line" >>"$CARD/log.txt"; } 2>/dev/null && flush "$CARD/log.txt"
}

# Replaces a file of the root file system with standard input, whole or not at all; parents are made.
put() { # path mode
  mkdir -p "$ROOT${1%/*}" &&
    (umask 077 && cat >"$ROOT$1.covey-new") &&
    chmod "$2" "$ROOT$1.covey-new" && flush "$ROOT$1.covey-new" &&
    mv -f "$ROOT$1.covey-new" "$ROOT$1" && flush "$ROOT${1%/*}"
}

# A link in place of whatever is there.
put_link() { # path target
  mkdir -p "$ROOT${1%/*}" && rm -f "$ROOT$1.covey-new" && ln -s "$2" "$ROOT$1.covey-new" &&
    mv -f "$ROOT$1.covey-new" "$ROOT$1" && flush "$ROOT${1%/*}"
}

# The time at which the card was made is the least that it can be: a board without a clock starts in the past. Sets the
# clock to it when it is a day or more before, and prints the date that it stood at; fails when it cannot be set.
least_clock() {
  made=$(date -r "$CARD/card.json" +%s 2>/dev/null) || return 0
  [ "$(date +%s)" -lt "$((made - 86400))" ] || return 0
  date -u +%Y-%m-%d
  date -s "@$made" >/dev/null 2>&1
}

# Prints the first line of cmdline.txt.
command_line() {
  sed -n 1p "$BOOT/cmdline.txt"
}

# A command line without its root file system starts nothing: a writing of it was cut off, by whomever. The last
# whole one is put back. Called before anything reads the file.
recover_command_line() {
  [ -s "$CARD/cmdline.bak" ] || return 0
  case "$(command_line 2>/dev/null)" in
    *root=*) return 0 ;;
  esac
  cp "$CARD/cmdline.bak" "$BOOT/cmdline.txt" && flush "$BOOT/cmdline.txt" &&
    say 'cmdline.txt was damaged; the copy of it was put back'
}

# Replaces the command line. A FAT has no journal and cannot promise a rename, so a line that fits into a sector is
# written over the old one, padded with blanks: the card has the old sector or the new one. When the file has to
# grow, the old text is a prefix of the new one and its size is written last, so what is read after a power cut is
# whole as well. A longer line goes through a second file, and never without the copy beside it.
write_command_line() { # line
  file=$BOOT/cmdline.txt
  bytes=$(wc -c <"$file") || return 1
  width=$((bytes - 1))
  copied=1
  cp "$file" "$CARD/cmdline.tmp" && flush "$CARD/cmdline.tmp" && mv -f "$CARD/cmdline.tmp" "$CARD/cmdline.bak" &&
    flush "$CARD" || copied=''
  if [ "$width" -lt "$SECTOR" ] && [ "${#1}" -lt "$SECTOR" ]; then
    # On a full card there is no room for the copy, and no need of it.
    [ -n "$copied" ] || rm -f "$CARD/cmdline.tmp"
    [ "$width" -gt "${#1}" ] || width=${#1}
    # Blanks at the end mean nothing to the firmware and the kernel.
    printf "%-${width}s\n" "$1" | dd of="$file" bs="$SECTOR" conv=notrunc,fsync 2>/dev/null
  else
    [ -n "$copied" ] || return 1
    printf '%s\n' "$1" >"$file.new" && flush "$file.new" && mv -f "$file.new" "$file" && flush "$BOOT"
  fi
}

# Prints the command line without the words that start with one of the given prefixes.
without_words() { # prefix…
  kept=''
  set -f
  for word in $(command_line); do
    drop=''
    for prefix in "$@"; do
      case $word in "$prefix"*) drop=1 ;; esac
    done
    [ -n "$drop" ] || kept="$kept${kept:+ }$word"
  done
  set +f
  printf '%s' "$kept"
}
