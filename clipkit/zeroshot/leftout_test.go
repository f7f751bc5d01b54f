package zeroshot

import (
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/exchangetest"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/weights"
)

// A picture that cannot be read is in none of the figures, on any number of ranks; they count the others as ever.
// fault 24, 19.6
func TestABadPictureIsLeftOut(t *testing.T) {
	dev, err := device.Open("cpu:go")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	m, err := model.New(golden.Config(t, "vit"), dev)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := weights.Load(m, m.Config, golden.Open(t, "vit/init.pt")); err != nil {
		t.Fatal(err)
	}
	set := longer{openFixture(t), 150, 100}
	classify := func(w exchange.World, skip *dataset.Skipped) (*Result, error) {
		c, err := NewClassifier(t.Context(), w, m, set.Labels(), ChineseTemplates, 52, nil)
		if err != nil {
			return nil, err
		}
		return Classify(t.Context(), w, m, set, c, skip, nil, nil)
	}
	want, err := classify(exchange.Alone, &dataset.Skipped{Budget: 1})
	if err != nil || want.Pictures != 149 || want.LeftOut != 1 || !strings.Contains(want.String(), "left out, as they cannot be read: 1\n") {
		t.Fatal(want, err)
	}
	for rank, err := range exchangetest.Everywhere(3, func(w exchange.World) error {
		skip := &dataset.Skipped{Budget: 1}
		got, err := classify(w, skip)
		if err == nil && (!reflect.DeepEqual(got, want) || skip.Count() != 1 || skip.Pictures[0].Path != "picture 100") {
			err = fmt.Errorf("%v, left out %v", got, skip.Pictures)
		}
		return err
	}) {
		if err != nil {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
	for rank, err := range exchangetest.Everywhere(2, func(w exchange.World) error {
		_, err := classify(w, &dataset.Skipped{})
		return err
	}) {
		if err == nil || !strings.Contains(err.Error(), "picture 100") || !strings.Contains(err.Error(), "budget of 0") {
			t.Errorf("rank %d, no budget: %v", rank, err)
		}
	}

	// A read error of the disk that passes leaves nothing out.
	c, err := NewClassifier(t.Context(), exchange.Alone, m, set.Labels(), ChineseTemplates, 52, nil)
	if err != nil {
		t.Fatal(err)
	}
	disk := &flaky{Set: longer{set.Set, 8, -1}}
	disk.fails.Store(2)
	if got, err := Classify(t.Context(), exchange.Alone, m, disk, c, nil, nil, nil); err != nil || got.Pictures != 8 || got.LeftOut != 0 || disk.fails.Load() > 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// flaky fails to read its picture 3 for the first times, as a network disk does.
type flaky struct {
	Set
	fails atomic.Int64
}

func (f *flaky) Picture(i int) (*imaging.Picture, error) {
	if i == 3 && f.fails.Add(-1) >= 0 {
		return nil, fmt.Errorf("reading picture %d: %w", i, &fs.PathError{Op: "read", Path: "a.jpg", Err: syscall.EIO})
	}
	return f.Set.Picture(i)
}
