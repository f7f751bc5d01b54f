// Command clipkit is the command line of the library.
//
//	go run ./clipkit/cmd/clipkit help              what it can do; "help extract" describes one command
//	go install ./clipkit/cmd/clipkit               as a program of its own: clipkit help
//	source <(clipkit completion bash)              completes commands and flags; also zsh, fish, powershell
//
// A command that does what one of Chinese-CLIP's scripts does takes that script's flags, so that its command lines can be pasted behind the name:
//
//	train        cn_clip/training/main.py
//	lmdb         cn_clip/preprocess/build_lmdb_dataset.py
//	extract      cn_clip/eval/extract_features.py
//	topk         cn_clip/eval/make_topk_predictions.py; --tr: make_topk_predictions_tr.py
//	score        cn_clip/eval/evaluation.py; --tr: evaluation_tr.py
//	invert       cn_clip/eval/transform_ir_annotation_to_tr.py
//	zeroshot     cn_clip/eval/zeroshot_evaluation.py
//
// The others, check, fetch, convert, recipes, export, explore and bench, are this project's own. Words in a flag may be joined by - or _. Results go to standard output,
// progress and errors to standard error. Exit status: 0; 1 after an error, which is one line; 2 for wrong arguments; 130 when interrupted.
// (`go run` itself turns all but 0 into 1.)
//
// A new command is a function that returns a *cobra.Command, and its name in commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"clipnb/clipkit/cmd/clipkit/deployment"
	_ "clipnb/clipkit/device/blocks" // for training
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/mpi"
	"clipnb/clipkit/train"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands in the order of help: from data to a page.
var commands = []func() *cobra.Command{
	checkCommand, lmdbCommand, fetchCommand, convertCommand, recipesCommand, trainCommand, exportCommand, extractCommand, topkCommand, scoreCommand, invertCommand, zeroshotCommand, exploreCommand, benchCommand,
}

func exportCommand() *cobra.Command {
	c := deployment.Export(goRun)
	c.Args = takes(1, 2, "a model or run, and where to write it")
	return c
}

func benchCommand() *cobra.Command {
	c := deployment.Bench(goRun)
	c.Args = takes(1, 64, "at least one model")
	return c
}

// goRun is how help names this program.
const goRun = "go run ./clipkit/cmd/clipkit"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// usageError is an error in the arguments, found by the command itself.
type usageError struct{ error }

func wrong(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// run carries out one command line and returns the exit status.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	root := &cobra.Command{
		Use:           "clipkit",
		Short:         "Chinese-CLIP in Go: data, weights, training, features, retrieval and zero-shot evaluation, a page to search in",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: goRun},
		SilenceErrors: true, // run prints them, in one line
		SilenceUsage:  true,
	}
	root.SetOut(out)
	root.SetErr(errOut)
	root.SetArgs(args)
	began := false // an error before the command's own work is one in the arguments
	for _, command := range commands {
		c := command()
		work := c.RunE
		c.RunE = func(c *cobra.Command, args []string) error {
			began = true
			return work(c, args)
		}
		c.Flags().SortFlags = false
		eitherSpelling(c.Flags())
		root.AddCommand(c)
	}
	if len(args) == 0 {
		root.SetArgs([]string{"help"})
	}
	c, err := root.ExecuteContextC(ctx)
	var usage usageError
	say := func(text string) {
		fmt.Fprintln(errOut, text)
		mpi.LastWords(text)
	}
	switch {
	case err == nil && len(args) > 0:
		return 0
	case err == nil:
		return 2 // no command was named; help says which there are
	case errors.Is(err, train.ErrInterrupted): // by any signal, with where it is saved
		say(err.Error())
		return 130
	case errors.Is(err, exchange.ErrElsewhere) && ctx.Err() != nil: // a rank of -n, which says so
		return 130
	case errors.Is(err, exchange.ErrElsewhere):
		return 1
	case ctx.Err() != nil:
		say("interrupted")
		return 130
	case !began || errors.As(err, &usage) || errors.Is(err, deployment.ErrUsage):
		say(fmt.Sprintf("%s; see: %s --help", oneLine(err), c.CommandPath()))
		return 2
	}
	say(err.Error())
	return 1
}

// oneLine is an error of cobra, which spreads its suggestions over several lines.
func oneLine(err error) string {
	text := strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\t' }), " ")
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && len(unknown.GetSpecifiedShortnames()) > 1 {
		text += "; long flags begin with two dashes: --" + unknown.GetSpecifiedShortnames()
	}
	return text
}

// eitherSpelling lets a flag be written with - or _ between its words; help shows the one that it was defined with.
func eitherSpelling(flags *pflag.FlagSet) {
	dashed := func(name string) string { return strings.ReplaceAll(name, "_", "-") }
	own := map[string]string{}
	flags.VisitAll(func(f *pflag.Flag) { own[dashed(f.Name)] = f.Name })
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if known, ok := own[dashed(name)]; ok {
			name = known
		}
		return pflag.NormalizedName(name)
	})
}

// takes is a cobra.PositionalArgs that says in the command's own words what is wanted.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return fmt.Errorf("it takes %s, not %d arguments %q", what, len(args), args)
		}
		return nil
	}
}
