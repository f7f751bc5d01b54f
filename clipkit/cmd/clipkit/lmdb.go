package main

import (
	"fmt"
	garbage "runtime/debug"
	"strings"

	"clipnb/clipkit/dataset"

	"github.com/spf13/cobra"
)

func lmdbCommand() *cobra.Command {
	var dir, splits, out string
	c := &cobra.Command{
		Use:        "lmdb [FOLDER]",
		Short:      "Build the reference's LMDB files out of a folder's tsv and jsonl files",
		Long:       "Build the reference's LMDB files, <lmdb_dir>/<split>/{imgs,pairs}, out of <split>_imgs.tsv and <split>_texts.jsonl of a folder.\nAll splits are read and checked before the first is written.",
		Example:    "  " + goRun + " lmdb --data_dir datasets/MUGE --splits train,valid,test",
		SuggestFor: []string{"build_lmdb_dataset"},
		Args:       takes(0, 1, "one folder"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 && dir == "" {
				dir = args[0]
			} else if len(args) == 1 || dir == "" {
				return wrong("which folder? It is the argument, or that of --data_dir")
			}
			var names []string
			if splits != "" {
				names = strings.Split(strings.TrimSpace(splits), ",")
			}
			// What is alive are captions and the places of pictures, and they stay to the end; with Go's own 100 the garbage of reading them doubles the memory.
			garbage.SetGCPercent(25)
			said := perSplit{out: c.ErrOrStderr(), what: "pairs and pictures"}
			read := func() {}
			sizes, err := dataset.BuildLMDB(c.Context(), dir, names, out, dataset.LMDBOptions{
				Reading: func(_, imgs string) {
					read()
					read = slow(c.ErrOrStderr(), "reading and checking", imgs)
				},
				Progress: func(split string, done, total int) {
					read()
					said.set(split, done, total)
				},
			})
			read()
			said.finish()
			for _, s := range sizes {
				fmt.Fprintf(c.OutOrStdout(), "%s: %d images, %d pairs\n", s.Split, s.Images, s.Pairs)
			}
			return err
		},
	}
	c.Flags().StringVar(&dir, "data_dir", "", "the `FOLDER` of the tsv and jsonl files")
	c.Flags().StringVar(&splits, "splits", "", "`SPLITS` to build, such as train,valid,test; default those of these three that it has")
	c.Flags().StringVar(&out, "lmdb_dir", "", "the `FOLDER` to write to; default lmdb in the one of --data_dir")
	return c
}
