// Package machine tells what this machine has left, of memory (FreeMemory) and of disk (FreeSpace), for a run that asks before it begins.
package machine

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// FreeMemory is what this process may still take: the machine's free memory or its container's limit, whichever is less; 0 = unknown.
func FreeMemory() int64 {
	if runtime.GOOS != "linux" {
		return 0
	}
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	free := int64(0)
	for line := range strings.Lines(string(info)) {
		if kb, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			free = n * 1024
		}
	}
	group := func(name string) (int64, bool) {
		b, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", name))
		if err != nil {
			return 0, false
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		return n, err == nil // "max" is no limit
	}
	if limit, ok := group("memory.max"); ok {
		if used, ok := group("memory.current"); ok {
			free = min(free, max(1, limit-used))
		}
	}
	return free
}
