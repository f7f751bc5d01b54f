package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/published"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/weights/hub"

	"github.com/spf13/cobra"
)

func fetchCommand() *cobra.Command {
	models, sets := strings.Join(hub.Published(), ", "), strings.Join(dataset.PublishedNames(), ", ")
	return &cobra.Command{
		Use:   "fetch NAME",
		Short: "Download a published model's weights into pretrained_weights/ or a published data set into datasets/, or say where they lie already",
		Long: "Download a published model's weights into pretrained_weights/, or a published data set into datasets/, or say where they lie already.\n" +
			"The models: " + models + ". The data sets: " + sets + ": the archive is downloaded, unpacked, and what is in it counted.\n" +
			"What was interrupted goes on where it stopped. Mirrors and offline mode: CLIPKIT_MIRROR, HF_ENDPOINT, HTTPS_PROXY, CLIPKIT_OFFLINE; folders of one's own for weights:\n" +
			"go doc clipnb/clipkit/weights/hub. An archive that is put at datasets/NAME.zip by hand is unpacked by the same command.",
		Example:   "  " + goRun + " fetch ViT-B-16\n  " + goRun + " fetch Flickr30k-CN",
		Args:      takes(1, 1, "the name of one model, one of "+models+", or of one data set, one of "+sets),
		ValidArgs: append(hub.Published(), dataset.PublishedNames()...),
		RunE: func(c *cobra.Command, args []string) error {
			_, isSet := dataset.FindPublished(args[0])
			_, noModel := hub.FindRelease(args[0])
			get := fetchModel
			switch {
			case isSet:
				get = fetchSet
			case noModel != nil:
				return wrong("%w; data sets: %s", noModel, sets)
			}
			path, err := get(c.Context(), c.ErrOrStderr(), args[0])
			if err != nil && c.Context().Err() != nil {
				fmt.Fprintln(c.ErrOrStderr(), "what has arrived is kept: the same command goes on from there")
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), path)
			return nil
		},
	}
}

func fetchModel(ctx context.Context, out io.Writer, name string) (string, error) {
	bar := progress.Bytes(out, "downloading "+name)
	defer bar.Finish()
	return hub.Locate(ctx, name, hub.Options{Folder: repo.Weights(), Progress: bar.Set})
}

// fetchSet shows a bar for each thing that is done.
func fetchSet(ctx context.Context, out io.Writer, name string) (string, error) {
	var bar *progress.Line
	var of string
	end := func() {
		if bar != nil {
			bar.Finish()
		}
		bar = nil
	}
	defer end()
	return published.Locate(ctx, name, published.Options{
		Folder: filepath.Join(repo.Root(), "datasets"),
		Progress: func(what string, done, total int64) {
			if bar == nil || what != of {
				end()
				bar, of = progress.Bytes(out, what), what
			}
			bar.Set(done, total)
		},
		Say: func(line string) {
			end()
			fmt.Fprintln(out, line)
		},
	})
}
