# The environment of an Ascend card, to be sourced: ". kernels/npu/env.sh". The kernel "Go · NPU" does so by itself.
# It does what the environment script of the ModelZoo's ChineseCLIP does (test/env_npu.sh): finds CANN, loads its paths, quiets its logs, and lets
# floats overflow to Inf.
# What the environment says already stays.

# CANN says where it is installed; ASCEND_INSTALL_PATH names another folder.
clipkit_cann=${ASCEND_INSTALL_PATH:-$(sed -n 's/^Install_Path=//p' /etc/Ascend/ascend_cann_install.info 2>/dev/null | head -n 1)}
clipkit_cann=${clipkit_cann:-/usr/local/Ascend}
if [ -z "${ASCEND_OPP_PATH:-}" ] && [ "${etp_running_flag:-}" != true ]; then
  for clipkit_kit in ascend-toolkit nnae; do
    if [ -f "$clipkit_cann/$clipkit_kit/set_env.sh" ]; then
      . "$clipkit_cann/$clipkit_kit/set_env.sh"
      break
    fi
  done
fi

# The driver's libraries, which containers often leave out of the loader's path.
if [ -d "$clipkit_cann/driver/lib64" ]; then
  export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$clipkit_cann/driver/lib64:$clipkit_cann/driver/lib64/common:$clipkit_cann/driver/lib64/driver"
fi

# Logs: errors only, to files, no events.
export ASCEND_SLOG_PRINT_TO_STDOUT="${ASCEND_SLOG_PRINT_TO_STDOUT:-0}"
export ASCEND_GLOBAL_LOG_LEVEL="${ASCEND_GLOBAL_LOG_LEVEL:-3}"
export ASCEND_GLOBAL_EVENT_ENABLE="${ASCEND_GLOBAL_EVENT_ENABLE:-0}"

# Non-saturating floats: what overflows becomes Inf and NaN, as everywhere else, in place of the largest number. The trainer's check for a
# diverged loss, and a loss scale, depend on it.
export INF_NAN_MODE_ENABLE="${INF_NAN_MODE_ENABLE:-1}"
export ASCEND_ENHANCE_ENABLE="${ASCEND_ENHANCE_ENABLE:-1}"

# The same levels for the cards' own logs; needs the rights of the driver's user, and is no loss without.
if command -v msnpureport >/dev/null; then
  for clipkit_card in /dev/davinci[0-9]*; do
    msnpureport -g error -d "${clipkit_card#/dev/davinci}" >/dev/null 2>&1 || true
  done
  msnpureport -e disable >/dev/null 2>&1 || true
fi
unset clipkit_cann clipkit_kit clipkit_card
