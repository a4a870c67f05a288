/**
 * The scripts of a warm runner (docs/runner-sets.md), for busybox's `sh`. Variables of theirs begin with `RUNLEDGER__`, which
 * no job can set. What comes from a job is data to them: it is read line by line, and never a part of a script.
 */

/** The init container: brings busybox and the scripts, and makes the pipe that has to be there before the runner starts. */
export const SETUP = `# Arguments: BUSYBOX GATE-FOLDER HANDOVER-FOLDER WAIT-SCRIPT RECEIVE-SCRIPT
umask 0
"$1" cp "$1" "$2/busybox" && "$1" mkfifo "$3/pipe" && printf '%s' "$4" >"$2/wait" && printf '%s' "$5" >"$2/receive"
`;

/**
 * The first process of a runner. It waits for a word on the pipe, takes what was handed over, and becomes the command of the
 * attempt. It never ends with 0 by itself: that is the command's to say. 75: nobody came within its lifetime; 125: what was handed
 * over could not be taken.
 */
export const WAIT = `# Arguments: BUSYBOX FOLDER SECONDS
RUNLEDGER__busybox=$1 RUNLEDGER__folder=$2
trap 'exit 143' TERM
exec 3<>"$RUNLEDGER__folder/pipe" || exit 125
IFS= read -r -t "$3" RUNLEDGER__line <&3 || exit 75
exec 3<&-
"$RUNLEDGER__busybox" mkdir "$RUNLEDGER__folder/taken" || exit 125
RUNLEDGER__umask=$(umask)
umask 0
"$RUNLEDGER__busybox" tar -x -f "$RUNLEDGER__folder/handover" -C / || exit 125
"$RUNLEDGER__busybox" rm -f "$RUNLEDGER__folder/handover"
umask "$RUNLEDGER__umask"
set --
RUNLEDGER__directory=/
while IFS= read -r RUNLEDGER__line; do
  RUNLEDGER__rest=\${RUNLEDGER__line#* }
  case $RUNLEDGER__line in
    'env '*)
      RUNLEDGER__name=\${RUNLEDGER__rest%% *}
      RUNLEDGER__value=\${RUNLEDGER__rest#* }.
      case $RUNLEDGER__value in *\\\\*) RUNLEDGER__value=$(printf '%b' "$RUNLEDGER__value") ;; esac
      export "$RUNLEDGER__name=\${RUNLEDGER__value%.}"
      ;;
    'arg '*)
      RUNLEDGER__value=$RUNLEDGER__rest.
      case $RUNLEDGER__value in *\\\\*) RUNLEDGER__value=$(printf '%b' "$RUNLEDGER__value") ;; esac
      set -- "$@" "\${RUNLEDGER__value%.}"
      ;;
    'directory '*)
      RUNLEDGER__value=$(printf '%b.' "$RUNLEDGER__rest")
      RUNLEDGER__directory=\${RUNLEDGER__value%.}
      ;;
  esac
done <"$RUNLEDGER__folder/attempt"
"$RUNLEDGER__busybox" rm -f "$RUNLEDGER__folder/attempt"
case $RUNLEDGER__directory in
  /runledger/workspace/*) "$RUNLEDGER__busybox" mkdir -p "$RUNLEDGER__directory" ;;
esac
cd "$RUNLEDGER__directory" 2>/dev/null || {
  echo "runledger: there is no working directory $RUNLEDGER__directory" >&2
  exit 127
}
RUNLEDGER__program=$1
shift
case $RUNLEDGER__program in
  */*) ;;
  *)
    RUNLEDGER__ifs=$IFS IFS=:
    set -f
    for RUNLEDGER__place in \${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}; do
      if [ -f "\${RUNLEDGER__place:=.}/$RUNLEDGER__program" ] && [ -x "$RUNLEDGER__place/$RUNLEDGER__program" ]; then
        RUNLEDGER__program=$RUNLEDGER__place/$RUNLEDGER__program
        break
      fi
    done
    IFS=$RUNLEDGER__ifs
    ;;
esac
case $RUNLEDGER__program in
  */*) ;;
  *)
    echo "runledger: there is no $RUNLEDGER__program on the PATH" >&2
    exit 127
    ;;
esac
[ -e "$RUNLEDGER__program" ] || {
  echo "runledger: there is no $RUNLEDGER__program" >&2
  exit 127
}
set -- "$RUNLEDGER__program" "$@"
unset RUNLEDGER__busybox RUNLEDGER__folder RUNLEDGER__line RUNLEDGER__rest RUNLEDGER__name RUNLEDGER__value
unset RUNLEDGER__directory RUNLEDGER__program RUNLEDGER__place RUNLEDGER__ifs RUNLEDGER__umask OLDPWD SHLVL
exec "$@"
`;

/** What {@link RECEIVE} prints when the runner has taken what was handed over, by this call or by one before. */
export const TAKEN = 'runledger: taken';

/**
 * Hands over: run by an exec, with the archive on its standard input. It is checked whole before it is put in place, and
 * only the first one is. Then the runner is told, until it has taken it. Cut off anywhere it does no harm; called again, it finds
 * what the call before has put in place and goes on from there.
 */
export const RECEIVE = `# Arguments: BUSYBOX FOLDER LENGTH SHA256
if [ ! -d "$2/taken" ] && [ ! -e "$2/handover" ]; then
  umask 077
  RUNLEDGER__incoming=$2/incoming.$$
  "$1" head -c "$3" >"$RUNLEDGER__incoming"
  if [ "$("$1" wc -c <"$RUNLEDGER__incoming")" -ne "$3" ] || [ "$("$1" sha256sum <"$RUNLEDGER__incoming")" != "$4  -" ]; then
    "$1" rm -f "$RUNLEDGER__incoming"
    echo 'runledger: damaged'
    exit 1
  fi
  "$1" ln "$RUNLEDGER__incoming" "$2/handover" 2>/dev/null
  "$1" rm -f "$RUNLEDGER__incoming"
fi
RUNLEDGER__tries=0
until [ -d "$2/taken" ]; do
  [ -e "$2/handover" ] || [ -d "$2/taken" ] || { echo 'runledger: missing'; exit 1; }
  echo go 1<>"$2/pipe"
  "$1" sleep 0.02
  RUNLEDGER__tries=$((RUNLEDGER__tries + 1))
  [ "$RUNLEDGER__tries" -lt 400 ] || { echo 'runledger: not taken'; exit 1; }
done
echo '${TAKEN}'
`;
