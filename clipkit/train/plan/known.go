package plan

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/pip"
	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/train"
)

// key names what a speed was measured of: a pair in micro-batches of this size.
func (r Run) key(c train.Config) string {
	return fmt.Sprintf("%s / %d devices, %d processes / %s, %d tokens, batch %d of %d, %s", r.Machine, r.Devices, max(1, r.Processes), r.Model.Name, r.Tokens, micro(c), min(2, r.turns(c)),
		fmt.Sprintf("precision %q, mask %g, frozen %v, lora %d, again %v", c.Precision, c.MaskRatio, c.FreezeVision, c.LoRARank, c.Recompute))
}

// known are the seconds that a pair took, by key. Without a cache folder, or with a broken file, nothing is known.
func known() map[string]float64 {
	all := map[string]float64{}
	if path := speedFile(); path != "" {
		if b, err := regular.ReadFile(path, 16<<20); err == nil && json.Unmarshal(b, &all) != nil {
			return map[string]float64{}
		}
	}
	return all
}

// remember keeps a measurement for later plans; the newest counts.
func (r Run) remember(c train.Config, secondsOfPair float64) {
	all, path := known(), speedFile()
	all[r.key(c)] = secondsOfPair
	if b, err := json.MarshalIndent(all, "", " "); err == nil && path != "" {
		_ = atomicfile.WriteBytes(path, b) // without it the next run measures again
	}
}

// longSteps are those whose speed is worth keeping.
const longSteps = 1.0 // seconds

// Learn keeps the speed of a run's last steps.
func (r Run) Learn(rows []experiment.Row) {
	var times []float64
	for _, row := range rows {
		if row.Kind == "train" {
			times = append(times, row.BatchTime)
		}
	}
	if len(times) < 8 { // the first of a session have compiled
		return
	}
	times = slices.Sorted(slices.Values(times[max(0, len(times)-21):]))
	if middle := times[len(times)/2]; middle > longSteps {
		r.remember(r.Config, middle/float64(r.turns(r.Config)*micro(r.Config)))
	}
}

func speedFile() string {
	dir, err := pip.CacheDir()
	if err != nil || os.MkdirAll(dir, 0o777) != nil {
		return ""
	}
	return filepath.Join(dir, "speed.json")
}
