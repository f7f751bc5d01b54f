package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"clipnb/clipkit/internal/limit"
)

// asProgram makes this test's program the command itself.
const asProgram = "CLIPKIT_TEST_IS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	limit.Main(m)
}

// command is the real program in a process of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// pasted is a command line of Chinese-CLIP's README or run_scripts as it stands there behind the script's name, with its variables filled in.
func pasted(text string, variables map[string]string) []string {
	return strings.Fields(os.Expand(strings.NewReplacer("\\\n", " ", `"`, "").Replace(text), func(name string) string { return variables[name] }))
}

// fails runs cmd and checks that it ends with the status and one line that has says in it.
func fails(t *testing.T, cmd *exec.Cmd, status int, says string) {
	t.Helper()
	out, _ := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if got := cmd.ProcessState.ExitCode(); got != status || strings.Contains(text, "\n") || !strings.Contains(text, says) {
		t.Errorf("%q: status %d\n%s\nwant status %d and one line with %q", cmd.Args[1:], got, text, status, says)
	}
}

func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, says string }{
		{"fly", `unknown command "fly"`},
		{"extrct", "Did you mean this? extract; see: go run ./clipkit/cmd/clipkit --help"},
		{"extract_features --resume x", "Did you mean this? extract"},
		{"make_topk_predictions_tr", "Did you mean this? topk"},
		{"extract --resum x", "unknown flag: --resum; see: go run ./clipkit/cmd/clipkit extract --help"},
		{"extract -resume x", "long flags begin with two dashes: --resume"},
		{"extract --context-length long", `invalid argument "long" for "--context-length"`},
		{"extract features", "flags only"},
		{"check", "it takes one data set"},
	} {
		fails(t, command(t, strings.Fields(c.args)...), 2, c.says)
	}
}

// Help is made of the commands alone, and names every flag of the reference as it is spelt there.
func TestHelp(t *testing.T) {
	t.Parallel()
	help := func(status int, args ...string) string {
		var out, errOut bytes.Buffer
		if got := run(t.Context(), args, &out, &errOut); got != status || errOut.Len() > 0 {
			t.Errorf("%q: status %d, %s", args, got, &errOut)
		}
		return out.String()
	}
	all := help(0, "help")
	if none := help(2); none != all {
		t.Errorf("without arguments: %s", none)
	}
	for _, c := range commands {
		if name := c().Name(); !strings.Contains(all, "\n  "+name+" ") {
			t.Errorf("help does not name %s:\n%s", name, all)
		}
	}
	for name, flags := range map[string]string{
		"lmdb": "data_dir splits lmdb_dir",
		"train": "train-data val-data num-workers valid-num-workers logs name log-interval report-training-batch-acc batch-size valid-batch-size max-steps max-epochs valid-step-interval " +
			"valid-epoch-interval context-length lr beta1 beta2 eps wd warmup use-bn-sync use-augment skip-scheduler save-epoch-frequency save-step-frequency resume reset-optimizer reset-data-offset " +
			"precision vision-model mask-ratio clip-weight-path freeze-vision text-model bert-weight-path grad-checkpointing use-flash-attention accum-freq gather-with-grad skip-aggregate debug seed " +
			"distillation teacher-model-name kd_loss_weight",
		"extract": "extract-image-feats extract-text-feats image-data text-data image-feat-output-path text-feat-output-path img-batch-size text-batch-size context-length " +
			"resume precision vision-model text-model debug",
		"topk":     "image-feats text-feats top-k eval-batch-size output",
		"invert":   "input",
		"zeroshot": "vision-model text-model precision label-file datapath dataset index save-dir img-batch-size context-length resume num-workers",
	} {
		said := help(0, name, "--help")
		for _, flag := range strings.Fields(flags) {
			if !strings.Contains(said, " --"+flag+" ") {
				t.Errorf("%s --help has no --%s:\n%s", name, flag, said)
			}
		}
	}
	if script := help(0, "completion", "bash"); !strings.Contains(script, "clipkit") {
		t.Error("no completion for bash")
	}
	var values bytes.Buffer
	if status := run(t.Context(), []string{"__completeNoDesc", "extract", "--text-model", ""}, &values, io.Discard); status != 0 || !strings.Contains(values.String(), "\nRBT3-chinese\n") {
		t.Errorf("completion of --text-model: status %d, %s", status, &values)
	}
}

func TestTowers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ vision, text, want, says string }{
		{"", "", "", ""},
		{"ViT-B-16", "", "ViT-B-16", ""},
		{"ViT-H-14", "RoBERTa-wwm-ext-large-chinese", "ViT-H-14", ""},
		{"v.json", "t.json", "v.json t.json", ""},
		{"ViT-H-14", "RoBERTa-wwm-ext-base-chinese", "", "ViT-H-14 goes with RoBERTa-wwm-ext-large-chinese"},
		{"ViT-B-16", "t.json", "", `text tower "t.json"; known: RoBERTa`},
		{"", "RBT3-chinese", "", "--vision-model is a model's name (ViT-B-16,"},
		{"ViT-Z-1", "", "", "ViT-B-16"},
		{"ViT-Z-1", "RBT3-chinese", "", "ViT-B-16"},
	} {
		f := modelFlags{vision: c.vision, text: c.text}
		got, err := f.towers()
		if _, isUsage := err.(usageError); strings.Join(got, " ") != c.want || isUsage != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q with %q: %q, %v", c.vision, c.text, got, err)
		}
	}
}
