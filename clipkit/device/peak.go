package device

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/pip"
	"clipnb/clipkit/internal/regular"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

const (
	peakSize    = 2048 // three matrices of 16 MB: far beyond the caches
	gpuPeakSize = 8192 // a product that takes a GPU long enough to tell
	goPeakSize  = 512  // the pure-Go engine takes minutes for what the others do in a second
	peakRepeats = 6
	peakTime    = 2 * time.Second // no repeat begins later
	peakTries   = 5
	peakAgain   = 3
)

// peak is what the cache file keeps for one machine (its processor and cores, or its GPU) and engine.
type peak struct {
	GFLOPS float64   `json:"gflops"`
	Tries  int       `json:"tries"`       // processes that measured
	At     time.Time `json:"at,omitzero"` // when the best was measured
}

// PeakGFLOPS is the machine's reachable rate for a large float32 matrix product, in 10⁹ operations per second; 0 means unknown.
// The first processes on a machine each measure it (about a second) and the best is kept in the user's cache folder, because other work
// at that moment makes a single figure too low. Delete clipkit/peak.json to measure again.
func (d *Device) PeakGFLOPS() float64 {
	d.peak.Lock()
	defer d.peak.Unlock()
	if !d.peak.known {
		d.peak.known, d.peak.gflops = true, d.keptPeak(false)
	}
	return d.peak.gflops
}

// ShareOfPeak is a rate's share of the peak; 0 means unknown. A rate above the peak shows that it was measured beside other work: it is measured again,
// in a process thrice at most, and as long as the rate is above it nevertheless, the share is unknown.
func (d *Device) ShareOfPeak(gflops float64) float64 {
	best := d.PeakGFLOPS()
	d.peak.Lock()
	defer d.peak.Unlock()
	if best > 0 && gflops > best && d.peak.again < peakAgain {
		d.peak.again++
		d.peak.gflops = d.keptPeak(true)
	}
	if best = d.peak.gflops; best <= 0 || gflops > best {
		return 0
	}
	return gflops / best
}

// keptPeak is the best peak that is known, after another measurement if it was measured too seldom or is not believed.
func (d *Device) keptPeak(again bool) (gflops float64) {
	known, file := map[string]peak{}, peakFile()
	if b, err := regular.ReadFile(file, 16<<20); err == nil && json.Unmarshal(b, &known) != nil {
		known = map[string]peak{} // a broken cache is measured anew
	}
	key := d.Machine()
	best := known[key]
	if again || best.Tries < peakTries {
		if gf, err := d.measurePeak(); err == nil {
			best.Tries++
			if gf > best.GFLOPS {
				best.GFLOPS, best.At = gf, time.Now()
			}
			known[key] = best
			if b, err := json.MarshalIndent(known, "", " "); err == nil && file != "" {
				_ = atomicfile.WriteBytes(file, b) // without the cache the next process measures again
			}
		}
	}
	if d.hardware != "" {
		return best.GFLOPS * float64(d.Count()) // measured on the first of them
	}
	return best.GFLOPS
}

// Machine names what measurements of speed hold for: the GPU, or the processor and how many of its cores we may use, and the engine.
func (d *Device) Machine() string { return cmp.Or(d.hardware, machineKey()) + " / " + d.Engine }

// measurePeak takes the best of a few products: other work on the machine only ever slows one down.
func (d *Device) measurePeak() (gflops float64, err error) {
	size := peakSize
	switch {
	case d.hardware != "":
		size = gpuPeakSize
	case d.Engine == "go":
		size = goPeakSize
	}
	data := make([]float32, size*size)
	for i := range data {
		data[i] = float32(i%17) / 256
	}
	x := tensors.FromFlatDataAndDimensions(data, size, size)
	err = Catch(func() error {
		e, err := NewExec(d.Backend, func(x *Node) *Node {
			return ReduceAllMax(Dot(x, Dot(x, x).Product()).Product())
		})
		if err != nil {
			return err
		}
		defer e.Finalize()
		best, began := time.Duration(1<<63-1), time.Now()
		for i := range peakRepeats {
			if i > 0 && time.Since(began) > peakTime {
				break
			}
			start := time.Now()
			out, err := e.Call(x)
			if err != nil {
				return err
			}
			_ = out[0].Value() // waits for the result
			best = min(best, time.Since(start))
			out[0].FinalizeAll()
		}
		gflops = 2 * 2 * math.Pow(float64(size), 3) / best.Seconds() / 1e9
		return nil
	})
	return gflops, err
}

// peakFile is "" where there is no cache folder.
func peakFile() string {
	dir, err := pip.CacheDir()
	if err != nil || os.MkdirAll(dir, 0o777) != nil {
		return ""
	}
	return filepath.Join(dir, "peak.json")
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
