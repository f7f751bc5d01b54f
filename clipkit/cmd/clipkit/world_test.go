package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/exchangetest"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

const goldenData = "../../internal/golden/testdata"

// tinyModel is the vision transformer of the fixtures.
func tinyModel() modelFlags {
	return modelFlags{resume: goldenData + "/vit/init.pt", vision: goldenData + "/tiny-vit.json", text: goldenData + "/tiny-text.json", contextLength: 52,
		computing: computing{device: "cpu:go", precision: "amp"}}
}

// onRanks runs a command on n ranks, and gives what the first printed, and the error of each. Others print nothing.
func onRanks(t *testing.T, n int, run func(c *cobra.Command, w exchange.World) error) (out string, errs []error) {
	t.Helper()
	outs := make([]bytes.Buffer, n)
	errs = make([]error, n)
	var g errgroup.Group
	for rank, w := range exchangetest.Threads(n) {
		c := &cobra.Command{}
		c.SetContext(t.Context())
		c.SetOut(&outs[rank])
		g.Go(func() error { errs[rank] = run(c, w); return nil })
	}
	_ = g.Wait()
	for rank := range outs {
		if rank > 0 && outs[rank].Len() > 0 {
			t.Errorf("rank %d printed %s", rank, &outs[rank])
		}
	}
	return outs[0].String(), errs
}

// The commands that encode write the files of one process, to the byte, on any number of ranks.
func TestCommandsOnRanks(t *testing.T) {
	t.Parallel()
	type outcome struct {
		out   string
		files map[string]string
	}
	of := func(n int) (o outcome) {
		data := filepath.Join(t.TempDir(), "MUGE")
		if err := os.CopyFS(filepath.Join(data, "lmdb"), os.DirFS("../../dataset/testdata/lmdb")); err != nil {
			t.Fatal(err)
		}
		texts, err := os.ReadFile("../../eval/testdata/retrieval/train_texts.jsonl")
		if err == nil {
			err = os.WriteFile(filepath.Join(data, "train_texts.jsonl"), texts, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		const set = "../../zeroshot/testdata/zeroshot"
		extracted, errs := onRanks(t, n, func(c *cobra.Command, w exchange.World) error {
			return (&extractFlags{textData: data + "/train_texts.jsonl", model: tinyModel()}).run(c, w)
		})
		classified, more := onRanks(t, n, func(c *cobra.Command, w exchange.World) error {
			return (&zeroshotFlags{folder: set + "/test", labels: set + "/label_cn.txt", dataset: "country211", index: set + "/index.json", saveDir: data, model: tinyModel()}).run(c, w)
		})
		if err := errors.Join(append(errs, more...)...); err != nil {
			t.Fatal(n, err)
		}
		o = outcome{strings.ReplaceAll(extracted+classified, data, ""), map[string]string{}}
		names, err := filepath.Glob(filepath.Join(data, "*.*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			o.files[filepath.Base(name)] = string(b)
		}
		return o
	}
	want := of(1)
	if len(want.files) != 5 || !strings.Contains(want.out, "image features are stored in /train_imgs.img_feat.jsonl") || !strings.Contains(want.out, "zeroshot-top1: ") {
		t.Fatalf("%s%v", want.out, slices.Sorted(maps.Keys(want.files)))
	}
	for n := 2; n <= 3; n++ {
		if got := of(n); got.out != want.out || !maps.Equal(got.files, want.files) {
			t.Errorf("%d ranks printed\n%sand wrote %v; one process\n%sand %v", n, got.out, slices.Sorted(maps.Keys(got.files)), want.out, slices.Sorted(maps.Keys(want.files)))
		}
	}
}

// What one rank lacks is said by that rank alone, and ends the others.
func TestARankLacksWhatTheCommandNeeds(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(c *cobra.Command, w exchange.World) error{
		"texts": func(c *cobra.Command, w exchange.World) error {
			return (&extractFlags{textData: fmt.Sprintf("../../eval/testdata/none-of-%d/train_texts.jsonl", w.Rank()), model: tinyModel()}).run(c, w)
		},
		"labels": func(c *cobra.Command, w exchange.World) error {
			f := zeroshotFlags{folder: "../../zeroshot/testdata/zeroshot/test", model: tinyModel()}
			if w.Rank() == 1 {
				f.labels = "none-of-1"
			}
			return f.run(c, w)
		},
		"the model": func(c *cobra.Command, w exchange.World) error {
			f := zeroshotFlags{folder: "../../zeroshot/testdata/zeroshot/test", model: tinyModel()}
			if w.Rank() == 1 {
				f.model.resume = "none-of-1.pt"
			}
			return f.run(c, w)
		},
	} {
		_, errs := onRanks(t, 3, run)
		shown := 0
		for rank, err := range errs {
			if err == nil || !strings.Contains(err.Error(), "none-of-") {
				t.Errorf("%s: rank %d: %v", name, rank, err)
			}
			if !errors.Is(err, exchange.ErrElsewhere) {
				shown++
			}
		}
		if shown != 1 {
			t.Errorf("%s: %d ranks show their errors: %v", name, shown, errs)
		}
	}
}
