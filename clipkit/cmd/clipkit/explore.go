package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/explore"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/internal/regular"

	"github.com/spf13/cobra"
)

// exploreFlags are what the page is made of.
type exploreFlags struct {
	target, data, split, model, beside, engine, addr, tokenFile, token string
	skip                                                               skipFlags
	computing
}

func exploreCommand() *cobra.Command {
	var f exploreFlags
	c := &cobra.Command{
		Use:   "explore WHAT",
		Short: "Serve the retrieval page for a run's data and checkpoint, a data set (\"emoji\"), or a folder of pictures",
		Long: "Serve the page to search by text or picture, until Ctrl-C. WHAT is a run (its data and newest checkpoint), a data set, or a folder of pictures, which is shown\n" +
			"whole, with its captions where it has some; of other data one split is shown.\n" +
			"The page and its JSON interface: go doc clipnb/clipkit/explore.",
		Example: "  " + goRun + " explore emoji\n  " + goRun + " explore --beside quickstart emoji\n  " + goRun + " explore --addr 0.0.0.0:8350 --token-file token.txt --model ViT-B-16 my-pictures",
		Args:    takes(1, 1, "a run, a data set or a folder of pictures"),
	}
	for _, s := range []struct {
		to                *string
		name, value, help string
	}{
		{&f.model, "model", "", "the `MODEL` to search with; default the run's, else emoji"},
		{&f.beside, "beside", "", "a second `MODEL`, side by side"},
		{&f.data, "data", "", "a `DATASET` instead of the run's"},
		{&f.split, "split", "", "its split; default all of a folder of pictures, of others the one that a published set's figures are of, else test, valid, train"},
		{&f.engine, "engine", "exact", "where vectors are kept: exact (files here), or postgres://… (a server with pgvector; its password in PGPASSWORD or ~/.pgpass: ps shows a command's words to everybody)"},
		{&f.addr, "addr", "127.0.0.1:8350", "where to listen; another machine's reach needs a token"},
		{&f.tokenFile, "token-file", "", "a file with a token of 16 characters or more: the page is at /TOKEN/; default the environment's CLIPKIT_TOKEN"},
	} {
		c.Flags().StringVar(s.to, s.name, s.value, s.help)
	}
	c.Flags().StringVar(&f.token, "token", "", "")
	_ = c.Flags().MarkHidden("token") // it was there once
	f.skip.add(c, "")
	f.computing.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		f.target = args[0]
		if err := f.readToken(); err != nil {
			return err
		}
		if err := f.computing.check(f.model, f.beside); err != nil {
			return err
		}
		if err := f.skip.check(); err != nil {
			return err
		}
		return f.serve(c.Context(), c.OutOrStdout())
	}
	return c
}

// readToken takes the token from where ps does not show it.
func (f *exploreFlags) readToken() error {
	if f.token != "" {
		return wrong("--token: ps shows a command's words to everybody; put the token into a file (--token-file FILE), or into CLIPKIT_TOKEN")
	}
	f.token = os.Getenv("CLIPKIT_TOKEN")
	if f.tokenFile == "" {
		return nil
	}
	b, err := regular.ReadFile(f.tokenFile, 4<<10)
	if f.token = strings.TrimSpace(string(b)); err == nil && f.token == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return fmt.Errorf("reading the token from %s: %w", f.tokenFile, err)
	}
	return nil
}

// serve serves the page until ctx ends.
func (f *exploreFlags) serve(ctx context.Context, out io.Writer) error {
	l, err := explore.Listen(f.addr, f.token) // before the work: a port that is taken is said at once
	if err != nil {
		return err
	}
	defer l.Close()
	opened := slow(os.Stderr, "opening", f.target)
	source, closeSource, err := f.open(ctx)
	opened()
	if err != nil {
		return err
	}
	defer closeSource()
	config := explore.Config{Title: source.Name(), Source: source, Token: f.token}
	for _, name := range []string{f.model, f.beside} {
		if name == "" {
			continue
		}
		m, err := f.load(ctx, name)
		if err != nil {
			return err
		}
		defer m.Close()
		options := []clipkit.Option{clipkit.Keep(f.keeper()), clipkit.SkipBudget(f.skip.budget)}
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
	bar := progress.New(os.Stderr, "warming up", 0)
	config.Progress = bar.Of
	h, err := explore.New(ctx, config)
	bar.Finish()
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
	name, isRun := f.target, false
	if dir, err := runOf(f.target); err == nil {
		if f.model == "" {
			f.model = f.target
		}
		var settings struct{ Data string }
		if err := experiment.ReadConfig(dir, &settings); err != nil {
			return nil, nil, err
		}
		name, isRun = settings.Data, true
	}
	if f.data != "" {
		name = f.data
	}
	if f.model == "" {
		f.model = "emoji"
	}
	data, err := clipkit.OpenDataset(ctx, name)
	if f.split == "" && (errors.Is(err, dataset.ErrNotFound) || err == nil && !isRun) {
		if p, none := dataset.OpenPictures(name); none == nil && (err != nil || len(p.Texts()) > 0 && len(p.ImageIDs()) == pictures(data)) {
			if p.PassedOver != "" {
				fmt.Fprintln(os.Stderr, p.PassedOver)
			}
			if err == nil {
				data.Close()
			}
			return p, p.Close, nil
		} else if none == nil {
			p.Close()
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("explore %s: %w", f.target, err)
	}
	split := data.ReportSplit()
	if f.split != "" {
		split, err = data.Split(f.split)
	} else if split == nil {
		split, err = data.Split("train")
	}
	if err != nil {
		data.Close()
		return nil, nil, err
	}
	if shown, all := len(split.ImageIDs()), pictures(data); shown < all {
		fmt.Fprintf(os.Stderr, "showing %s, %d of %d pictures; choose another split with --split\n", split.Name(), shown, all)
	}
	return split, data.Close, nil
}

// pictures counts those of all splits.
func pictures(d *dataset.Dataset) (n int) {
	for _, s := range []dataset.Source{d.Train, d.Valid, d.Test} {
		if s != nil {
			n += len(s.ImageIDs())
		}
	}
	return n
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
