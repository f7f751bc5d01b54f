package clipkit

import (
	"context"
	"fmt"
	"strings"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/index"
	"clipnb/clipkit/model"
)

// Option changes what a verb does. Each says in its first words for which verbs it is; any other refuses it.
type Option struct {
	name  string
	verbs verb
	set   func(*options)
}

// verb is a set of verbs.
type verb uint

const (
	loading verb = 1 << iota // Load
	making                   // New, NewFrom
	finetuning
	encoding // Model.Features
	evaluating
	indexing
	exploring
)

type options struct {
	device    string
	precision model.Precision
	as        []string

	teacher   *Model
	memory    int64
	processes int
	world     exchange.World

	budget    int
	run       string
	files     string
	answers   int
	postgres  string
	openIndex func(ctx context.Context, model string, dim int) (index.Pair, error)

	page   string
	height int
	names  []string
	beside *Index
}

// chosen collects a call's options.
func chosen(call string, v verb, opts []Option) (options, error) {
	o := options{budget: dataset.SkipBudget, answers: 10, page: "explore", height: 720}
	for _, x := range opts {
		if x.verbs&v == 0 {
			return o, fmt.Errorf("%s does not take the option %s; go doc clipnb/clipkit.%[2]s says which does", call, strings.TrimPrefix(x.name, "clipkit."))
		}
		x.set(&o)
	}
	return o, nil
}

// On is for Load, New and NewFrom: the device, "cpu" or one of its engines ("cpu:onnx"), "npu:0", "cuda:0", "cuda:0-7" (all eight as one); without it the Jupyter kernel's CLIPKIT_DEVICE decides,
// else "cpu".
func On(device string) Option {
	return Option{"On", loading | making, func(o *options) { o.device = device }}
}

// In is for Load, New and NewFrom: the precision of the weights and of products, "f32" (the default), "bf16" or "f16". Only "f32" trains. Of exported
// files it is one that the folder has, "fp32", "fp16" or "int8"; unless said, its first.
func In(precision string) Option {
	return Option{"In", loading | making, func(o *options) { o.precision = model.Precision(strings.Replace(precision, "fp", "f", 1)) }}
}

// As is for Load: what model the weights are for, where the file cannot say it. A name ("ViT-L-14-336"), or the reference's configuration files
// of the two towers. Position embeddings of another resolution are resized to it, as the reference's training does, and that is said aloud.
func As(nameOrFiles ...string) Option {
	return Option{"As", loading, func(o *options) { o.as = nameOrFiles }}
}

// Teacher is for Finetune: the student's picture features are drawn to this model's (Config.KDLossWeight says how strongly). Both see pictures of
// one resolution.
func Teacher(m *Model) Option {
	return Option{"Teacher", finetuning, func(o *options) { o.teacher = m }}
}

// MemoryLimit is for Finetune: what the estimate of memory may be at most, instead of what the machine has free; negative lets anything start.
func MemoryLimit(bytes int64) Option {
	return Option{"MemoryLimit", finetuning, func(o *options) { o.memory = bytes }}
}

// Processes is for Finetune: n processes of this host share the run, each on a device of its own, the npu or cuda of its number, or on its share of the
// processor's cores. cfg.WorldSize is then n where it is not set, and n divides WorldSize × AccumFreq where it is; a run that was begun by other numbers
// of processes goes on with the very next samples. 1 takes all in turns. 0 is as without Processes: a run of several ranks
// on an NPU takes as many cards as there are.
//
// The processes are this program, started again under mpirun (package exchange/mpi says which and how): they never come to its main function, but load
// model and data again from where these were opened. A model that lies in no file is saved for them first; one whose weights were changed after it
// was loaded, and data that were made in memory, are refused.
func Processes(n int) Option {
	return Option{"Processes", finetuning, func(o *options) { o.processes = n }}
}

// Ranks is for Load, New, NewFrom and Finetune in a program that was started under mpirun or srun: this process is one of w's, and every one of them
// makes the same calls. Load takes the rank's own device ("npu" is npu:3 on the fourth of a host), Finetune its share of the run.
func Ranks(w exchange.World) Option {
	return Option{"Ranks", loading | making | finetuning, func(o *options) { o.world = w }}
}

// Keep is for EvaluateRetrieval, BuildIndex and Model.Features: what they make is kept with the run of this name, under experiments/<run>, and used again.
//
// Features lie in eval/, under the split's name and the model's hash: a cell that is run again reads them, and one that was interrupted continues.
// Pictures that change under their ids are not noticed; delete the file then. An index lies in index/, in the exact engine's files (index.Folder);
// it takes over features that are kept for the same run. Of a folder of pictures (dataset.OpenPictures) only what is new is encoded.
func Keep(run string) Option {
	return Option{"Keep", encoding | evaluating | indexing, func(o *options) { o.run = run }}
}

// SkipBudget is for EvaluateRetrieval, BuildIndex and Model.Features: how many pictures that cannot be read are left out; dataset.SkipBudget unless said,
// and one more is an error. With 0 the first is.
func SkipBudget(pictures int) Option {
	return Option{"SkipBudget", encoding | evaluating | indexing, func(o *options) { o.budget = pictures }}
}

// ReferenceFiles is for EvaluateRetrieval: it also leaves the reference's files (features, predictions both ways, truth, scores) in a folder
// (eval.WriteReference). answers is how many a query has in them; 10 unless said, and the reference's scorer takes no other number.
func ReferenceFiles(folder string, answers ...int) Option {
	return Option{"ReferenceFiles", evaluating, func(o *options) {
		o.files = folder
		if len(answers) > 0 {
			o.answers = answers[0]
		}
	}}
}

// InPostgres is for BuildIndex: the index is kept in a database with pgvector (package pgvector), for several processes and larger sets. A folder
// of pictures that has changed is indexed anew there. A notebook imports _ "clipnb/clipkit/index/pgvector" for it.
func InPostgres(url string) Option {
	return Option{"InPostgres", indexing, func(o *options) { o.postgres = url }}
}

// InEngine is for BuildIndex: the index is kept in any other engine; open makes or opens its two parts for a model's fingerprint and dimension.
func InEngine(open func(ctx context.Context, model string, dim int) (index.Pair, error)) Option {
	return Option{"InEngine", indexing, func(o *options) { o.openIndex = open }}
}

// Beside is for Explore: another checkpoint's results stand beside the first's, finetuned beside zero-shot. Both indexes are of the same split.
func Beside(ix *Index) Option {
	return Option{"Beside", exploring, func(o *options) { o.beside = ix }}
}

// Called is for Explore: what the checkpoints are called on the page; unless said, by what they were loaded from.
func Called(names ...string) Option {
	return Option{"Called", exploring, func(o *options) { o.names = names }}
}

// PageName is for Explore: it lets a notebook have several pages; "explore" unless said. Explore replaces the page of its name.
func PageName(name string) Option {
	return Option{"PageName", exploring, func(o *options) { o.page = name }}
}

// PageHeight is for Explore: the height of the frame in the notebook, in pixels; 720 unless said.
func PageHeight(pixels int) Option {
	return Option{"PageHeight", exploring, func(o *options) { o.height = pixels }}
}
