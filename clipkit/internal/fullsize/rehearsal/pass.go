package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A command of clipkit that goes over the whole set.
type command struct {
	what string
	args []string
	page bool // it ends when the address of its page has been told and Ctrl-C is pressed
}

// pass has the commands between a data set and a page go over all of it with the small model, and prints what each takes.
func pass(ctx context.Context, program, data, out string) error {
	in := func(name string) string { return filepath.Join(data, name) }
	to := func(name string) string { return filepath.Join(out, name) }
	extract := func(split string) []string {
		return []string{"extract", "--resume", "emoji", "--context-length", "24", "--text-data", in(split + "_texts.jsonl"), "--image-data", to("lmdb/" + split + "/imgs"),
			"--image-feat-output-path", to(split + ".img_feat.jsonl"), "--text-feat-output-path", to(split + ".txt_feat.jsonl")}
	}
	fmt.Println("| command | what | seconds | CPU seconds | most memory, MB |\n|---|---|---|---|---|")
	for _, c := range []command{
		{"all splits, headers alone", []string{"check", data}, false},
		{"all splits, every picture decoded", []string{"check", "--decode", data}, false},
		{"all splits", []string{"lmdb", "--data_dir", data, "--lmdb_dir", to("lmdb")}, false},
		{"train", extract("train"), false},
		{"test", extract("test"), false},
		{"test", []string{"topk", "--image-feats", to("test.img_feat.jsonl"), "--text-feats", to("test.txt_feat.jsonl"), "--output", to("predictions.jsonl")}, false},
		{"test", []string{"score", in("test_texts.jsonl"), to("predictions.jsonl"), to("score.json")}, false},
		{"train, until its page is there", []string{"explore", "--split", "train", "--addr", "127.0.0.1:0", data}, true},
	} {
		began := time.Now()
		p, err := start(ctx, out, to("experiments"), program, c.args...)
		if err != nil {
			return err
		}
		if c.page {
			if err := p.until(ctx, "its page", func() bool {
				return slices.ContainsFunc(p.lines(), func(line string) bool { return strings.Contains(line, "http://127.0.0.1:") })
			}); err != nil {
				return err
			}
			took := time.Since(began)
			if _, err := p.end(os.Interrupt); err != nil {
				return err
			}
			c.print(p, took)
			continue
		}
		<-p.done
		if s := p.cmd.ProcessState; !s.Success() {
			return fmt.Errorf("%s: %v\n%s", c.args[0], s, strings.Join(p.last(8), "\n"))
		}
		c.print(p, time.Since(began))
	}
	return nil
}

// print prints its row, and to standard error what it said last.
func (c command) print(p *process, took time.Duration) {
	s := p.cmd.ProcessState
	fmt.Printf("| %s | %s | %.0f | %.1f | %.0f |\n", c.args[0], c.what, took.Seconds(), (s.UserTime() + s.SystemTime()).Seconds(), float64(p.memory())/1e6)
	for _, line := range p.last(3) {
		fmt.Fprintln(os.Stderr, c.args[0]+": "+line)
	}
}
