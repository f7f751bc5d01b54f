// Command kernels sets up and runs clipkit's Jupyter notebooks. Its folder is also a Jupyter kernels directory: JUPYTER_PATH is the
// repository root, and each kernels/<name>/kernel.json is a device on which the same notebook can run.
//
//	go run ./kernels lab [jupyter arguments]             JupyterLab on this machine, with the kernels of this repository
//	go run ./kernels exec NOTEBOOK [name=value …]        run a notebook without a browser; writes it executed, as .ipynb and .html
//	go run ./kernels doctor                              say what this machine has and lacks, and how to fix it
//	go run ./kernels setup                               only set up; lab and exec do it by themselves
//	go run ./kernels check DATASET                       say before training what will hurt it (package dataset)
//	go run ./kernels lmdb FOLDER [train,valid]           build the reference's LMDB files
//	go run ./kernels fetch NAME                          download a published model's weights (mirrors and offline mode: package weights)
//	go run ./kernels convert [-half] [-flash] IN OUT     .pt, .safetensors, a folder of transformers: from one to another, slim
//	go run ./kernels zeroshot [-resume MODEL] FOLDER     classify pictures in class folders by their labels alone
//	go run ./kernels extract -resume MODEL -text-data F  a split's features, in the reference's files
//	go run ./kernels explore RUN_OR_FOLDER               the retrieval page, on its own (package explore)
//	go run ./kernels topk, score, invert                 the reference's predictions, its scorer, the truth turned round (package eval)
//
// # Set-up
//
// Needed beforehand: go, a C compiler (gcc) and Python 3.10 or later with venv. The first run makes .venv (JupyterLab at pinned versions)
// and .tools (the Go kernel GoNB, Jupyter's settings, logs), both inside the repository, in about two minutes; nothing needs root and nothing
// is installed elsewhere but Go's and pip's own caches. What is unfinished or broken is rebuilt. Deleting both folders undoes everything.
//
// # exec
//
//	go run ./kernels exec notebooks/quickstart.ipynb name=second query=猫
//	go run ./kernels exec -kernel cpu -out /tmp/results -timeout 2h notebooks/quickstart.ipynb
//
// name=value reaches the notebook's Param("name", …) as the environment variable CLIPKIT_PARAM_NAME; names that the notebook does not ask
// for are refused. Results go to experiments/<notebook>/ (or -out); what was there before is kept under the time it was made. The device is that of
// the notebook's own kernel unless -kernel names another folder of kernels/. Ctrl-C interrupts the running cell, which may take up to five minutes to save its
// work, and ends the run; a second Ctrl-C kills it. The executed notebook is written in every case.
// Exit status: 0, 1 after a failed cell or anything else that went wrong, 2 for wrong arguments, 130 when interrupted (`go run` itself turns all but 0 into 1).
//
// Limits: a notebook of at most 64 MiB; Linux and macOS.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: go run ./kernels COMMAND

  lab [jupyter arguments]        start JupyterLab with the kernels of this repository
  exec NOTEBOOK [name=value …]   run a notebook without a browser; results in experiments/<notebook>/
       -kernel NAME              the kernel (device) to use instead of the notebook's own
       -out DIR                  where the executed notebook goes
       -timeout 20m              give up after this time
  doctor                         what this machine has and lacks
  setup                          only set up .venv and .tools
  check DATASET                  say before training what will hurt it: false negatives, leaks, broken pictures, captions of [UNK] only
       -batch 128                the batch size to judge for
       -decode                   decode every picture, not only its header
  lmdb FOLDER [train,valid]      build the reference's LMDB files from its tsv and jsonl files
  fetch NAME                     download a published model ("ViT-B-16") into pretrained_weights/
  convert IN OUT                 weights in another form and without optimizer state; the end of OUT chooses: .pt, .safetensors, or a folder for transformers
       -half                     float16, but for what the reference keeps in float32
       -flash                    the names of the reference's flash attention
  zeroshot FOLDER                zero-shot classification of pictures in class folders, of CIFAR-100's binary files, or of "emoji"; also -datapath FOLDER
       -resume MODEL             what to load: a name, a file, a run (default emoji); -device, -precision amp|fp32|fp16, -context-length 52
       -vision-model, -text-model   a model's name, or configuration files of the two towers, where the file does not tell
       -label-file FILE          the classes' names, one a line; default the folder's label_cn.txt, else the folders' names
       -templates FILE           the reference's cvinw_zeroshot_templates.py or JSON; default our own 20
       -template-set NAME        which of its sets; default the one that the reference takes for -dataset
       -dataset NAME             "food-101": chooses the templates and names the file of -save-dir
       -save-dir DIR             write ELEVATER's JSON there
       -index FILE               the order of the predictions in it
  extract                        the features of a split as the reference writes them; continues where it was interrupted
       -resume MODEL             what to load; -device, -precision amp|fp32|fp16, -context-length 52
       -vision-model, -text-model   configuration files of the two towers, where the file does not tell
       -text-data FILE           FOLDER/<split>_texts.jsonl; pictures from lmdb/<split> or <split>_imgs.tsv beside it
       -image-data FOLDER        the imgs folder of another LMDB
       -extract-text-feats, -extract-image-feats   only these files; the whole is kept in FOLDER/<split>-<model's hash>.features.safetensors
       -text-feat-output-path, -image-feat-output-path   instead of FOLDER/<split>_texts.txt_feat.jsonl and <split>_imgs.img_feat.jsonl
  topk                           the nearest pictures of every text; -tr: the nearest texts of every picture
       -image-feats, -text-feats FILE   what extract wrote, jsonl or safetensors
       -top-k 10 -output FILE
  score TRUTH PREDICTIONS OUT    recall of predictions, in the reference's JSON; -tr: of pictures, with invert's file as the truth
  invert -input TEXTS            writes <split>_texts.tr.jsonl, the texts of each picture
  explore WHAT                   the retrieval page for a run's data and checkpoint, a data set ("emoji"), or a folder of pictures
       -model MODEL              what to load; default the run, else emoji
       -beside MODEL             a second one, side by side
       -data DATASET, -split test   instead of the run's data
       -engine exact             where vectors are kept: files here, or postgres://… (a server with pgvector)
       -addr 127.0.0.1:8350      where to listen; another machine's reach needs -token (or the environment's CLIPKIT_TOKEN)
       -token TOKEN              16 characters or more; the page is then at /TOKEN/
       -device, -precision amp|fp32|fp16
  help                           this text; more in kernels/main.go
`

// errUsage marks an error in the arguments: exit status 2.
var errUsage = errors.New("see: go run ./kernels help")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run carries out one command line and returns the exit status.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	status, err := dispatch(ctx, args, out)
	switch {
	case err == nil:
		return status
	case ctx.Err() != nil:
		fmt.Fprintln(errOut, "interrupted")
		return 130
	}
	fmt.Fprintln(errOut, err)
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

func dispatch(ctx context.Context, args []string, out io.Writer) (status int, err error) {
	if len(args) == 0 {
		fmt.Fprint(out, usage)
		return 2, nil
	}
	name, args := args[0], args[1:]
	if name == "help" || name == "-h" || name == "-help" || name == "--help" {
		fmt.Fprint(out, usage)
		return 0, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return 1, fmt.Errorf("finding the current folder: %w", err)
	}
	root, err := findRoot(dir)
	if err != nil {
		return 1, err
	}
	switch name {
	case "setup":
		if len(args) > 0 {
			return 2, fmt.Errorf("setup takes no arguments, not %q; %w", args[0], errUsage)
		}
		if err := newSetup(root, out).ensure(ctx); err != nil {
			return 1, err
		}
		fmt.Fprintln(out, "ready; next: go run ./kernels lab")
		return 0, nil
	case "lab":
		return 1, lab(ctx, root, args, out)
	case "exec":
		return execNotebook(ctx, root, args, out)
	case "check":
		return 0, check(ctx, args, out)
	case "lmdb":
		return 0, lmdb(ctx, args, out)
	case "fetch":
		return 0, fetch(ctx, root, args, out)
	case "convert":
		return 0, convert(args, out)
	case "zeroshot":
		return 0, zeroshot(ctx, args, out)
	case "extract":
		return 0, extract(ctx, args, out)
	case "topk":
		return 0, topk(ctx, args, out)
	case "score":
		return 0, score(args, out)
	case "invert":
		return 0, invert(args, out)
	case "explore":
		return 0, serveExplore(ctx, args, out)
	case "doctor":
		if len(args) > 0 {
			return 2, fmt.Errorf("doctor takes no arguments, not %q; %w", args[0], errUsage)
		}
		return doctor(ctx, root, out), nil
	}
	return 2, fmt.Errorf("there is no command %q (lab, exec, doctor, setup, check, lmdb, fetch, convert, zeroshot, extract, topk, score, invert, explore, help); %w", name, errUsage)
}
