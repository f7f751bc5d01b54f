package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"clipnb/clipkit"
	"clipnb/clipkit/arch"
	"clipnb/clipkit/deploy"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/tokenizer"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// modelFlags are the reference's flags for the model, and where it computes.
type modelFlags struct {
	resume, vision, text string
	contextLength        int
	computing
}

// computing is where a model computes, and in which precision.
type computing struct {
	device, precision string
	world             exchange.World // that this process is a rank of; nil: none
}

// precisions translates the reference's words; amp and fp32 are the same there too (cn_clip/eval/extract_features.py:135).
// Of exported files amp is the first that a folder has.
var precisions = map[string]string{"amp": "", "fp32": "f32", "fp16": "f16", "int8": "int8"}

func (f *computing) add(c *cobra.Command) {
	f.addDevice(c)
	c.Flags().StringVar(&f.precision, "precision", "amp", "`PRECISION`: amp or fp32, which both compute in float32, or fp16; int8 of exported files that have it")
	complete(c, "precision", "amp", "fp32", "fp16", "int8")
}

func (f *computing) addDevice(c *cobra.Command) {
	c.Flags().StringVar(&f.device, "device", "", "`DEVICE`: cpu, npu:1, cuda …; default the environment's CLIPKIT_DEVICE, else cpu")
}

func (f *modelFlags) add(c *cobra.Command, resume, note string) {
	c.Flags().StringVar(&f.resume, "resume", resume, "the `MODEL`: a checkpoint's file, a published model's name, a run, \"emoji\""+note)
	f.addTowers(c)
	c.Flags().IntVar(&f.contextLength, "context-length", tokenizer.DefaultLength, "most `TOKENS` of a text, [CLS] and [SEP] included")
	f.computing.add(c)
}

// addTowers adds the names of the two towers.
func (f *modelFlags) addTowers(c *cobra.Command) {
	c.Flags().StringVar(&f.vision, "vision-model", "", "`NAME` of its architecture, where the file does not tell: "+strings.Join(arch.Names(), ", ")+"; or a configuration file")
	c.Flags().StringVar(&f.text, "text-model", "", "`NAME` of its text tower: "+strings.Join(arch.TextTowers(), ", ")+"; or a configuration file")
	complete(c, "vision-model", arch.Names()...)
	complete(c, "text-model", arch.TextTowers()...)
}

// complete offers the values of a flag to the shell.
func complete(c *cobra.Command, flag string, values ...string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveDefault)); err != nil {
		panic(err) // no such flag: a mistake in this program
	}
}

// check is before any work: a wrong flag is said at once. models are those that it is about.
func (f *computing) check(models ...string) error {
	if _, known := precisions[f.precision]; !known || f.precision == "int8" && !slices.ContainsFunc(models, deploy.IsFolder) {
		return wrong("--precision is amp, fp32 or fp16, and int8 of an exported folder that has it, not %q", f.precision)
	}
	return nil
}

func (f *computing) load(ctx context.Context, name string, more ...clipkit.Option) (*clipkit.Model, error) {
	if f.world != nil {
		more = append(more, clipkit.Ranks(f.world))
	}
	return clipkit.Load(ctx, name, append(more, clipkit.On(f.device), clipkit.In(precisions[f.precision]))...)
}

func (f *modelFlags) load(ctx context.Context) (*clipkit.Model, error) {
	as, err := f.towers()
	if err != nil {
		return nil, err
	}
	var more []clipkit.Option
	if as != nil {
		more = append(more, clipkit.As(as...))
	}
	m, err := f.computing.load(ctx, f.resume, more...)
	if err != nil {
		return nil, err
	}
	m.Towers.Config.ContextLength = f.contextLength
	return m, nil
}

func (f *modelFlags) check() error {
	if _, err := f.towers(); err != nil {
		return err
	}
	return f.computing.check(f.resume)
}

// towers are a model's name or its two configuration files, or nil where the weights tell by themselves.
func (f *modelFlags) towers() ([]string, error) {
	_, unknown := arch.Lookup(f.vision)
	named := slices.Contains(arch.TextTowers(), f.text)
	switch {
	case f.vision == "" && f.text == "":
		return nil, nil
	case unknown == nil && f.text == "":
		return []string{f.vision}, nil
	case unknown == nil:
		cfg, err := arch.Pair(f.vision, f.text)
		if err != nil {
			return nil, wrong("--vision-model and --text-model: %w", err)
		}
		return []string{cfg.Name}, nil
	case f.vision == "" || f.text == "" || named:
		return nil, wrong("--vision-model is a model's name (%s), or goes together with --text-model, each a configuration file", strings.Join(arch.Names(), ", "))
	}
	return []string{f.vision, f.text}, nil
}

// unused adds a number that the reference takes and that changes nothing here.
func unused(c *cobra.Command, name string, value int, why string) {
	c.Flags().Int(name, value, "accepted and not used: "+why)
}

// debug adds --debug; with it every flag's value is said, as the reference's scripts do at their start.
func debug(c *cobra.Command) (say func()) {
	on := c.Flags().Bool("debug", false, "say the value of every flag first")
	return func() {
		if *on {
			fmt.Fprintln(c.ErrOrStderr(), "Params:")
			c.Flags().VisitAll(func(f *pflag.Flag) { fmt.Fprintf(c.ErrOrStderr(), "  %s: %s\n", f.Name, f.Value) })
		}
	}
}
