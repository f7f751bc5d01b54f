package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/explore"
)

// exploreFlags are what the page is made of.
type exploreFlags struct {
	target, data, split, model, beside, device, precision, engine, addr, token string
}

// serveExplore serves the retrieval page for a run, a data set or a folder of pictures until it is interrupted.
func serveExplore(ctx context.Context, args []string, out io.Writer) error {
	flags, f := flagsOf("explore"), exploreFlags{}
	for _, s := range []struct {
		to          *string
		name, value string
	}{
		{&f.data, "data", ""}, {&f.split, "split", ""}, {&f.model, "model", ""}, {&f.beside, "beside", ""}, {&f.device, "device", ""},
		{&f.precision, "precision", "amp"}, {&f.engine, "engine", "exact"},
		{&f.addr, "addr", "127.0.0.1:8350"}, {&f.token, "token", os.Getenv("CLIPKIT_TOKEN")},
	} {
		flags.StringVar(s.to, s.name, s.value, "")
	}
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("explore: %w; %w", err, errUsage)
	}
	if flags.NArg() != 1 || precisions[f.precision] == "" {
		return fmt.Errorf("explore takes flags, then a run, a data set or a folder of pictures; -precision is amp, fp32 or fp16; %w", errUsage)
	}
	f.target = flags.Arg(0)
	l, err := explore.Listen(f.addr, f.token) // before the work: a port that is taken is said at once
	if err != nil {
		return err
	}
	defer l.Close()
	source, closeSource, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer closeSource()
	config := explore.Config{Title: source.Name(), Source: source, Token: f.token}
	for _, name := range []string{f.model, f.beside} {
		if name == "" {
			continue
		}
		m, err := clipkit.Load(ctx, name, clipkit.On(f.device), clipkit.In(precisions[f.precision]))
		if err != nil {
			return err
		}
		defer m.Close()
		options := []clipkit.IndexOption{clipkit.KeepIndex(f.keeper())}
		if f.engine != "exact" {
			options = append(options, clipkit.InPostgres(f.engine))
		}
		ix, err := clipkit.BuildIndex(ctx, m, source, options...)
		if err != nil {
			return err
		}
		defer ix.Close()
		side, err := ix.Side(ctx, name)
		if err != nil {
			return err
		}
		config.Sides = append(config.Sides, side)
	}
	h, err := explore.New(ctx, config)
	if err != nil {
		return err
	}
	defer h.Close()
	fmt.Fprintf(out, "the page is at %s ; Ctrl-C ends it\n", f.url(l.Addr()))
	if err := explore.Serve(ctx, l, h); err != nil {
		return err
	}
	return ctx.Err()
}

// open finds the pictures, and settles the model.
func (f *exploreFlags) open(ctx context.Context) (dataset.Source, func() error, error) {
	name := f.target
	if dir, err := runOf(f.target); err == nil {
		if f.model == "" {
			f.model = f.target
		}
		var settings struct{ Data string }
		if err := experiment.ReadConfig(dir, &settings); err != nil {
			return nil, nil, err
		}
		name = settings.Data
	}
	if f.data != "" {
		name = f.data
	}
	if f.model == "" {
		f.model = "emoji"
	}
	data, err := clipkit.OpenDataset(ctx, name)
	if errors.Is(err, dataset.ErrNotFound) && f.split == "" {
		if p, none := clipkit.OpenPictures(ctx, name); none == nil {
			return p, p.Close, nil
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("explore %s: %w", f.target, err)
	}
	split := clipkit.ReportSplit(data)
	if f.split != "" {
		split, err = clipkit.Split(data, f.split)
	} else if split == nil {
		split, err = clipkit.Split(data, "train")
	}
	if err != nil {
		data.Close()
		return nil, nil, err
	}
	return split, data.Close, nil
}

// runOf gives the directory of a run: one with that name or path, which has settings and checkpoints.
func runOf(name string) (string, error) {
	if r, err := clipkit.OpenRun(name); err == nil {
		return r.Dir, nil
	}
	if _, err := os.Stat(filepath.Join(name, "checkpoints")); err != nil {
		return "", err
	}
	return name, nil
}

// keeper is the run whose folder keeps the indexes.
func (f *exploreFlags) keeper() string {
	if _, err := clipkit.OpenRun(f.target); err == nil {
		return f.target
	}
	return ".explore"
}

func (f *exploreFlags) url(at net.Addr) string {
	path := "/"
	if f.token != "" {
		path = "/" + f.token + "/"
	}
	return "http://" + at.String() + path
}
