package exchange

import (
	"crypto/sha256"
	"encoding/binary"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Cores is how many of the processor's cores are this rank's: those that it may use, divided by the ranks that may use the same ones. All ranks call it.
func Cores(w World) (int, error) {
	sum := sha256.Sum256([]byte(place()))
	mine := []uint64{binary.LittleEndian.Uint64(sum[:])}
	all, err := Gather(w, mine)
	if err != nil {
		return 0, err
	}
	ranks := 0
	for _, other := range all {
		if other == mine[0] {
			ranks++
		}
	}
	return max(1, runtime.NumCPU()/ranks), nil
}

// place tells machines apart, and on one machine the sets of cores that a launcher bound ranks to.
func place() string {
	machine, err := os.ReadFile("/proc/sys/kernel/random/boot_id") // the same in all containers of a machine
	if err != nil {
		name, _ := os.Hostname()
		machine = []byte(name)
	}
	status, _ := os.ReadFile("/proc/self/status")
	_, cores, _ := strings.Cut(string(status), "Cpus_allowed:")
	cores, _, _ = strings.Cut(cores, "\n")
	return string(machine) + cores
}

// ShareCores lets this process have as many threads as it has cores of its own, Go's and the engines' that are opened afterwards. What the environment
// sets already stays. All ranks call it.
func ShareCores(w World) error {
	n, err := Cores(w)
	if err != nil {
		return err
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(n)
	}
	for _, name := range []string{"PJRT_NPROC", "OMP_NUM_THREADS"} { // XLA's and OpenMP's
		if os.Getenv(name) == "" {
			if err := os.Setenv(name, strconv.Itoa(n)); err != nil {
				return err
			}
		}
	}
	return nil
}
