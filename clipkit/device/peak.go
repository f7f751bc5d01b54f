package device

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"clipnb/clipkit/internal/atomicfile"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

const (
	peakSize  = 2048 // three matrices of 16 MB: far beyond the caches
	peakTries = 6
)

// PeakGFLOPS is the machine's reachable rate for a large float32 matrix product, in 10⁹ operations per second; 0 means unknown.
// It is measured once per machine and engine (about a second) and kept in the user's cache folder; delete clipkit/peak.json to measure again.
func (d *Device) PeakGFLOPS() float64 {
	d.peak.Do(func() {
		key := machineKey() + " / " + d.Engine
		file, err := peakFile()
		if err != nil {
			return
		}
		known := map[string]float64{}
		if b, err := os.ReadFile(file); err == nil {
			_ = json.Unmarshal(b, &known) // a broken cache is measured anew
		}
		if d.gf = known[key]; d.gf > 0 {
			return
		}
		if d.gf, err = d.measurePeak(); err != nil || d.gf <= 0 {
			d.gf = 0
			return
		}
		if known == nil {
			known = map[string]float64{}
		}
		known[key] = d.gf
		if b, err := json.MarshalIndent(known, "", " "); err == nil {
			_ = atomicfile.WriteBytes(file, b) // without the cache the next run measures again
		}
	})
	return d.gf
}

// measurePeak takes the best of a few products: other work on the machine only ever slows one down.
func (d *Device) measurePeak() (gflops float64, err error) {
	data := make([]float32, peakSize*peakSize)
	for i := range data {
		data[i] = float32(i%17) / 256
	}
	x := tensors.FromFlatDataAndDimensions(data, peakSize, peakSize)
	err = Catch(func() error {
		e, err := NewExec(d.Backend, func(x *Node) *Node {
			return ReduceAllMax(Dot(x, Dot(x, x).Product()).Product())
		})
		if err != nil {
			return err
		}
		defer e.Finalize()
		best := time.Duration(1<<63 - 1)
		for range peakTries {
			start := time.Now()
			out, err := e.Call(x)
			if err != nil {
				return err
			}
			_ = out[0].Value() // waits for the result
			best = min(best, time.Since(start))
			out[0].FinalizeAll()
		}
		gflops = 2 * 2 * float64(peakSize) * peakSize * peakSize / best.Seconds() / 1e9
		return nil
	})
	return gflops, err
}

func peakFile() (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "peak.json"), os.MkdirAll(dir, 0o755)
}

// machineKey names the processor and how many of its cores we may use.
func machineKey() string {
	model := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for _, line := range strings.Split(string(b), "\n") {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				model = strings.TrimSpace(v)
				break
			}
		}
	}
	return fmt.Sprintf("%s × %d", model, runtime.NumCPU())
}
