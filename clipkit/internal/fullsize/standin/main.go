// Command standin makes a data set of the size and the form of Flickr30k-CN out of the pictures that are compiled into this project, for rehearsing
// runs of days where nobody may or can download the real one:
//
//	go run ./clipkit/internal/fullsize/standin -out datasets/standin               # 29,783 pictures with five captions each, 1,000 valid, 1,000 test
//	go run ./clipkit/internal/fullsize/standin -out /tmp/small -pictures 50        # 50 of train, 50 of valid, 50 of test
//
// It writes {train,valid,test}_imgs.tsv, {train,valid,test}_texts.jsonl and, as "clipkit lmdb" does, lmdb/: about 4 GB, in a few minutes on two
// processors, in the memory of a few pictures. A folder with all of it is left as it is.
//
// A picture is a JPEG of 500×375, Flickr30k's usual size, with two to five drawings of the embedded emoji set on a textured ground; its captions say what is
// where. No two pictures and hardly two captions are the same, and everything follows from a picture's number. Numbers of pictures begin at 9,000,000,001,
// above all of Flickr30k's, so that nothing that was measured on this set is taken for a result on the real one (dataset.Recognise).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/internal/progress"
)

// Sizes of Flickr30k-CN's splits.
const (
	trainPictures = 29_783
	otherPictures = 1_000
)

func main() {
	out := flag.String("out", "", "the `FOLDER` to make")
	pictures := flag.Int("pictures", trainPictures, "of train; valid and test have as many, at most 1,000")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *out, *pictures); err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string, pictures int) error {
	if out == "" || pictures < 1 || pictures > trainPictures {
		return fmt.Errorf("want -out FOLDER and -pictures 1 to %d", trainPictures)
	}
	began := time.Now()
	if err := write(ctx, out, pictures); err != nil {
		return fmt.Errorf("making %s: %w", out, err)
	}
	fmt.Printf("%s is made, in %s\n", out, time.Since(began).Round(time.Second))
	return nil
}

// write makes what is missing of the set, split by split.
func write(ctx context.Context, out string, pictures int) error {
	drawings, err := drawings()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	first := 0
	for _, split := range []struct {
		name     string
		pictures int
	}{{"train", pictures}, {"valid", min(pictures, otherPictures)}, {"test", min(pictures, otherPictures)}} {
		s := newSplit(ctx, split.name, first, split.pictures, drawings)
		first += trainPictures // the same pictures whatever the sizes
		bar := progress.New(os.Stderr, split.name, split.pictures)
		s.made = func(n int) { bar.Of(n, 0) }
		imgs, texts := filepath.Join(out, split.name+"_imgs.tsv"), filepath.Join(out, split.name+"_texts.jsonl")
		if missing(imgs) || missing(texts) {
			err = dataset.WriteTSV(s, imgs, texts)
		}
		bar.Finish()
		if err = errors.Join(err, s.Close()); err != nil {
			return err
		}
	}
	if !missing(filepath.Join(out, "lmdb", "test")) {
		return nil
	}
	bar := progress.New(os.Stderr, "lmdb", 0)
	defer bar.Finish()
	_, err = dataset.BuildLMDB(ctx, out, nil, "", dataset.LMDBOptions{Progress: func(_ string, done, total int) { bar.Of(done, total) }})
	return err
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, os.ErrNotExist)
}
