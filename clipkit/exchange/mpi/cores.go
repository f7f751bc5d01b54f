package mpi

import (
	"fmt"
	"hash/fnv"
	"os"
	"runtime"
	"strings"

	"clipnb/clipkit/exchange"
)

// threadVariables are read by XLA's host platform and by OpenMP (ONNX Runtime, BLAS) when they start.
var threadVariables = []string{"NPROC", "OMP_NUM_THREADS"}

// shareCores divides the cores that this process may run on by the number of ranks that may run on the same ones. Ranks bound to cores of their own
// (mpirun --bind-to core) share with nobody.
func (w *world) shareCores() error {
	ranks, err := exchange.Gather(w, []uint64{coreSet()})
	if err != nil {
		return err
	}
	sharing := 0
	for _, set := range ranks {
		if set == ranks[w.rank] {
			sharing++
		}
	}
	share := max(1, runtime.GOMAXPROCS(0)/sharing)
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(share)
	}
	for _, name := range threadVariables {
		if os.Getenv(name) == "" {
			if err := os.Setenv(name, fmt.Sprint(share)); err != nil {
				return fmt.Errorf("%w: setting %s: %w", exchange.ErrWorld, name, err)
			}
		}
	}
	return nil
}

// coreSet tells sets of cores apart, and hosts. Where the system does not say, ranks of one host name share its cores.
func coreSet() uint64 {
	host, err := os.ReadFile("/proc/sys/kernel/random/boot_id") // the same in all containers of a host
	if err != nil {
		name, _ := os.Hostname()
		host = []byte(name)
	}
	h := fnv.New64a()
	h.Write(host)
	status, _ := os.ReadFile("/proc/self/status")
	if _, after, ok := strings.Cut(string(status), "Cpus_allowed_list:"); ok {
		cores, _, _ := strings.Cut(after, "\n")
		h.Write([]byte(strings.TrimSpace(cores)))
	}
	return h.Sum64()
}
