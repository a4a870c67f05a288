/**
 * The gate: a script for busybox's `sh` that is the first process of every container of a pod with several steps
 * (docs/architecture.md). All containers start together; each gate waits for its turn, runs the command of its step, and ends
 * with the command's exit code.
 *
 * - **Turn.** A gate holds a pipe open in the folder that all gates share; the kernel closes it when the gate ends,
 *   however that happens, and the gate after it, which reads from the pipe, meets the end. Once a gate watches the one
 *   before it, it is ready. The first one waits until all are: so nothing is missed, and no command runs in a pod that
 *   is not Running yet (an image that can't be pulled, an eviction while Pending).
 * - **Result.** `go` (exit code 0), `stopped` (an exit code that ends the run without being a failure), `failed` or
 *   `cancelled`. After anything but `go`, later steps end without running: exit code 0, or 143 after a cancel. A gate
 *   that finds no result ends with 125: the one before it was killed, as by the OOM killer, or the folder was emptied.
 *   It is never taken for a success.
 * - **Command.** It runs in a session of its own, in the foreground of a small launcher: a shell's background commands
 *   have SIGINT and SIGQUIT ignored, and so had all programs that a step starts. The launcher writes down the exit
 *   code; a pipe that ends with it tells the gate. Without a code it is 137.
 * - **Time-outs.** When the step's or the run's has passed: TERM to all processes of the container, KILL after the grace.
 *   The gate then never ends with 0, but with 124 where the command does.
 * - **Memory.** Where the kernel kills one process and not the whole container (cgroup v1, `singleProcessOOMKill`), a
 *   command may hide it: the gate looks at the count of such kills, and ends with 137 where the command ends with 0.
 * - **TERM** (the pod is deleted) is passed to the command of a step; gates that wait remember it. Steps of `finally` run
 *   on, within the pod's grace period, whose length allows for them.
 * - **What a command leaves behind** is killed before the next step may start.
 *
 * The gate has to be process 1 of its container: then `kill -1` reaches everything there, and nothing else. It needs
 * mkfifo, setsid, sleep, date and sh of a static busybox, and nothing of the step's image.
 */
export const GATE = `# The gate of a step: waits for its turn, runs a command, ends with its exit code.
# Arguments: NAME=VALUE ... -- PROGRAM [ARGUMENT ...]
gate_umask=$(umask)
umask 0
set -f
gate_when= gate_timeout=0

while [ $# -gt 0 ] && [ "$1" != -- ]; do
  case $1 in
    step=*) gate_step=\${1#*=} ;;
    position=*) gate_position=\${1#*=} ;;
    gates=*) gate_gates=\${1#*=} ;;
    when=*) gate_when=\${1#*=} ;;
    timeout=*) gate_timeout=\${1#*=} ;;
    run-timeout=*) gate_run_timeout=\${1#*=} ;;
    finally-timeout=*) gate_finally_timeout=\${1#*=} ;;
    grace=*) gate_grace=\${1#*=} ;;
    fine=*) gate_fine=\${1#*=} ;;
    umask=*) gate_umask=\${1#*=} ;;
    directory=*) gate_directory=\${1#*=} ;;
    state=*) gate_state=\${1#*=} ;;
    busybox=*) gate_busybox=\${1#*=} ;;
    report=*) gate_report=\${1#*=} ;;
  esac
  shift
done
shift

gate_verdict=go gate_run_start=- gate_finally_start=- gate_started=
gate_cancelled= gate_stopping= gate_deadline=

gate_say() { echo "runledger: step $gate_step: $1" >&2; }

# Hundredths of a second since the machine started, into gate_now.
gate_clock() {
  read -r gate_now gate_rest </proc/uptime
  gate_now=$((\${gate_now%.*} * 100 + 1\${gate_now#*.} - 100))
}

# RESULT CODE: leaves the word for the next gate and the report, and ends the container.
gate_end() {
  echo "$gate_verdict $gate_run_start $gate_finally_start" >"$gate_state/$gate_position.result"
  {
    printf '{"gate":1,"result":"%s","code":%s,"started":"%s","finished":"%s"}' "$1" "$2" "$gate_started" "$("$gate_busybox" date -u +%Y-%m-%dT%H:%M:%SZ)" >"$gate_report"
  } 2>/dev/null
  exit "$2"
}

# How often the kernel has killed a process here for its memory, into gate_kills (cgroup v2, then v1).
gate_count_kills() {
  gate_kills=0
  for gate_file in memory.events memory/memory.oom_control; do
    while read -r gate_key gate_rest; do
      [ "$gate_key" = oom_kill ] && gate_kills=$gate_rest
    done <"/sys/fs/cgroup/$gate_file"
  done 2>/dev/null
}

# PID [FILE]: waits until that child has ended, whatever signals come meanwhile. While the file is not there yet, TERM ends
# the waiting, which then fails.
gate_await() {
  while kill -0 "$1"; do
    wait "$1"
    [ -n "$gate_cancelled" ] && [ ! -e "\${2:-/proc}" ] && return 1
  done 2>/dev/null
  return 0
}

if [ $$ != 1 ]; then
  gate_say 'the gate has to be process 1 of its container; leave shareProcessNamespace and hostPID out of spec.pod'
  exit 125
fi
trap 'gate_cancelled=yes' TERM

# --- The turn ---
# A pipe per gate, which its gate holds open for writing: whoever reads it meets the end when that gate ends.
"$gate_busybox" mkfifo "$gate_state/$gate_position.alive" 2>/dev/null
[ -p "$gate_state/$gate_position.alive" ] || { gate_say "can't make a pipe in $gate_state"; exit 125; }
exec 9<>"$gate_state/$gate_position.alive"

if [ "$gate_position" = 1 ]; then
  gate_other=2
  while [ "$gate_other" -le "$gate_gates" ] && [ -z "$gate_cancelled" ]; do
    if [ -e "$gate_state/$gate_other.ready" ]; then
      gate_other=$((gate_other + 1))
    else
      "$gate_busybox" sleep 0.1 9>&-
    fi
  done
else
  gate_before=$((gate_position - 1))
  "$gate_busybox" mkfifo "$gate_state/$gate_before.alive" 2>/dev/null
  {
    exec 7<"$gate_state/$gate_before.alive"
    echo ready >"$gate_state/$gate_position.ready"
    while read -r gate_rest; do :; done <&7
  } 9>&- &
  if gate_await $! "$gate_state/$gate_position.ready"; then
    gate_verdict=lost
    { read -r gate_verdict gate_run_start gate_finally_start <"$gate_state/$gate_before.result"; } 2>/dev/null
    case "$gate_verdict $gate_run_start $gate_finally_start" in
      'go '[0-9]*' '* | 'stopped '[0-9]*' '* | 'failed '[0-9]*' '* | 'cancelled '*' '*) ;;
      *)
        gate_verdict=failed gate_run_start=0 gate_finally_start=-
        if [ -z "$gate_when" ]; then
          gate_say 'not run: the step before it ended without leaving a result'
          gate_end lost 125
        fi
        ;;
    esac
  fi
fi
[ -n "$gate_cancelled" ] && gate_verdict=cancelled

# --- Whether to run ---
case $gate_when:$gate_verdict in
  :go) ;;
  :cancelled) gate_end skipped 143 ;;
  always:*) [ "$gate_run_start" = - ] && gate_end skipped 0 ;;
  onSuccess:go | onSuccess:stopped | onFailure:failed) ;;
  *) gate_end skipped 0 ;;
esac

# --- How long ---
gate_clock
if [ -n "$gate_when" ]; then
  [ "$gate_finally_start" = - ] && gate_finally_start=$gate_now
  gate_deadline=$((gate_finally_start + gate_finally_timeout * 100)) gate_limit=finally
else
  [ "$gate_run_start" = - ] && gate_run_start=$gate_now
  gate_deadline=$((gate_run_start + gate_run_timeout * 100)) gate_limit=run
fi
if [ "$gate_timeout" != 0 ] && [ $((gate_now + gate_timeout * 100)) -lt "$gate_deadline" ]; then
  gate_deadline=$((gate_now + gate_timeout * 100)) gate_limit=step
fi

# --- What to run ---
# MESSAGE CODE
gate_start_error() {
  gate_say "$1"
  [ -z "$gate_when" ] && gate_verdict=failed
  gate_end start-error "$2"
}

if [ "$gate_now" -ge "$gate_deadline" ]; then
  [ -z "$gate_when" ] && gate_verdict=failed
  gate_end "timeout-$gate_limit" 124
fi
cd "$gate_directory" 2>/dev/null || gate_start_error "there is no working directory $gate_directory" 127
gate_program=$1
shift
case $gate_program in
  */*) ;;
  *)
    gate_ifs=$IFS IFS=:
    for gate_folder in \${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}; do
      if [ -f "\${gate_folder:=.}/$gate_program" ] && [ -x "$gate_folder/$gate_program" ]; then
        gate_program=$gate_folder/$gate_program
        break
      fi
    done
    IFS=$gate_ifs
    ;;
esac
case $gate_program in
  */*) ;;
  *) gate_start_error "there is no $gate_program on the PATH" 127 ;;
esac
[ -e "$gate_program" ] || gate_start_error "there is no $gate_program" 127
[ -f "$gate_program" ] && [ -x "$gate_program" ] || gate_start_error "$gate_program may not be executed" 126

# --- Running it ---
# Until gate_deadline; then the alarm.
gate_timer() {
  gate_clock
  gate_left=$((gate_deadline > gate_now ? gate_deadline - gate_now + 1 : 1))
  gate_left=$((gate_left / 100)).$((gate_left % 100 / 10))$((gate_left % 10))
  { "$gate_busybox" sleep "$gate_left"; kill -USR1 1; } 2>/dev/null 9>&- &
}
# WHY
gate_stop() {
  [ -n "$gate_stopping" ] && return
  gate_stopping=$1
  kill -TERM -1 2>/dev/null
  gate_clock
  gate_deadline=$((gate_now + gate_grace * 100))
  gate_timer
}
gate_alarm() {
  gate_clock
  if [ "$gate_now" -lt "$gate_deadline" ]; then
    gate_timer # somebody else's signal, or the end of the timer before its time
  elif [ -n "$gate_stopping" ]; then
    kill -KILL -1 2>/dev/null
  else
    gate_stop timeout
  fi
}
gate_term() {
  gate_cancelled=yes
  [ -z "$gate_when" ] && gate_stop cancelled
}

gate_pipe=$gate_state/$gate_position.runs gate_up=$gate_state/$gate_position.up gate_exit=$gate_state/$gate_position.exit
"$gate_busybox" mkfifo "$gate_pipe" "$gate_up" || gate_start_error "can't make a pipe in $gate_state" 125
# Ends when the launcher has ended.
{ trap '' TERM; while read -r gate_rest; do :; done <"$gate_pipe"; } 9>&- &
gate_reader=$!
exec 8<>"$gate_up"
gate_count_kills
gate_kills_before=$gate_kills
gate_started=$("$gate_busybox" date -u +%Y-%m-%dT%H:%M:%SZ)
# The second setsid leads a process group already and so forks: the launcher is no child of this shell, which need not
# wait for it, and yet was not started in the background.
"$gate_busybox" setsid "$gate_busybox" setsid "$gate_busybox" sh -c '
trap : TERM
exec 7>&2 2>/dev/null 8>"$1"
echo up >"$2"
gate_exit=$3
umask "$4"
shift 4
unset OLDPWD SHLVL
(exec "$@" 2>&7 7>&- 8>&-)
echo $? >"$gate_exit"
' launcher "$gate_pipe" "$gate_up" "$gate_exit" "$gate_umask" "$gate_program" "$@" </dev/null 8>&- 9>&- ||
  gate_start_error 'no further process can be started' 125
gate_tries=0
until read -r -t 60 gate_rest <&8 || [ $((gate_tries += 1)) -gt 5 ]; do :; done
exec 8>&-

trap gate_term TERM
trap gate_alarm USR1
gate_timer
[ -n "$gate_cancelled" ] && gate_term
gate_await "$gate_reader"

# --- The end ---
trap 'gate_cancelled=yes' TERM
trap '' USR1
gate_tries=0
{
  kill -KILL -1
  while kill -0 -1 && [ "$gate_tries" -lt 100 ]; do
    # The first two only give the shell a chance to collect what has ended.
    "$gate_busybox" sleep "0.0$((gate_tries < 2 ? 0 : 5))"
    gate_tries=$((gate_tries + 1))
  done
} 2>/dev/null
gate_code=137 gate_result=exited
{ read -r gate_code <"$gate_exit"; } 2>/dev/null
gate_count_kills
if [ "$gate_stopping" = timeout ]; then
  gate_result=timeout-$gate_limit
  [ "$gate_code" = 0 ] && gate_code=124
  [ -z "$gate_when" ] && gate_verdict=failed
elif [ "$gate_kills" != "$gate_kills_before" ]; then
  gate_result=oom-killed
  [ "$gate_code" = 0 ] && gate_code=137
  [ -z "$gate_when" ] && gate_verdict=failed
elif [ -n "$gate_cancelled" ]; then
  gate_verdict=cancelled
  [ -n "$gate_stopping" ] && gate_result=cancelled
elif [ -z "$gate_when" ]; then
  case " $gate_fine " in
    *" $gate_code "*) gate_verdict=stopped ;;
    *) [ "$gate_code" = 0 ] || gate_verdict=failed ;;
  esac
fi
gate_end "$gate_result" "$gate_code"
`;
