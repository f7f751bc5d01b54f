package finetune_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/internal/browser"
	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/internal/notebook"
)

func TestMain(m *testing.M) { limit.Main(m) }

// Somebody's own folder: pictures of coloured squares with a CSV of captions, trained with the recipe for it.
func TestFinetuneNotebookOnAFolderOfPictures(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	notebook.Squares(t, folder)
	name, run := notebook.Run(t, "finetune")
	nb, page := notebook.Execute(t, "finetune", "recipe=own/emoji", "data="+folder, "name="+name, "steps=4", "batch=32")
	nb.EveryForm(t)
	for _, file := range []string{"metrics.jsonl", "eval/before.json", "eval/after.json", name + ".pt", "checkpoints/best/step-*/manifest.json"} {
		if found, err := filepath.Glob(filepath.Join(run, file)); err != nil || len(found) != 1 {
			t.Errorf("%s: %v, %v", file, found, err)
		}
	}
	for _, part := range []string{"own/emoji", "4 steps of 64 pairs, lr 0.0002", "GB", "valid 10 pictures"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %q", part)
		}
	}
	// The cell that trains leaves one place with both curves, the last state and no drawing before it.
	charts := 0
	for _, c := range nb.Cells {
		if !strings.Contains(strings.Join(c.Source, ""), "clipkit.Finetune") {
			continue
		}
		for _, o := range c.Outputs {
			if text := string(o.Data["text/html"]); !strings.Contains(text, "globalThis.echarts)return") && strings.Contains(text, "data-clipkit-chart=") {
				charts++
				if !strings.Contains(text, "Training loss. train: ") || !strings.Contains(text, "(4); validation: ") || !strings.Contains(text, "In-batch accuracy") {
					t.Errorf("the curves of the run: %.3000s", text)
				}
			}
		}
	}
	if charts != 1 {
		t.Errorf("training left %d outputs with charts", charts)
	}
	visit := browser.Open(t, page)
	if n := strings.Count(visit.DOM, "<svg"); len(visit.Requests) > 0 || n < 5 { // loss, accuracy, learning rate, throughput, recall
		t.Errorf("%d live charts, requests %v", n, visit.Requests)
	}
}

// With no parameters but its length the notebook runs the emoji recipe.
func TestFinetuneNotebookOnTheEmbeddedSet(t *testing.T) {
	t.Parallel()
	name, _ := notebook.Run(t, "finetune-emoji")
	_, page := notebook.Execute(t, "finetune", "steps=2", "name="+name)
	for _, part := range []string{"emoji/finetune", "2 steps of 128 pairs, lr 0.0008", "89.2"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %q", part)
		}
	}
}

// A cell shares its training with another process, which is a copy of the cell's program and never comes to what the cell says. The cell shows the rows and
// goes on with the trained model.
func TestCellWithProcesses(t *testing.T) {
	t.Parallel()
	name, run := notebook.Run(t, "processes")
	cells := []string{"%noautoget\nimport (\n\t\"context\"\n\t\"fmt\"\n\n\t\"clipnb/clipkit\"\n)", `%%
fmt.Println("the cell", "begins")
r := clipkit.Must(clipkit.Recipe("emoji/finetune"))
r.Config.Name, r.Config.MaxSteps, r.Config.BatchSize = "` + name + `", 2, 8
data := clipkit.Must(clipkit.OpenFor(context.Background(), r))
data.Valid = nil
m := clipkit.Must(clipkit.LoadFor(context.Background(), r))
run := clipkit.Must(clipkit.Finetune(context.Background(), m, data, r.Config, clipkit.Processes(2)))
fmt.Println(len(run.Rows), "rows of", run.Processes, "processes; the model is", m)`}
	b, err := os.ReadFile(filepath.Join(notebook.Root, "notebooks", "quickstart.ipynb"))
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]any{}
	if err := json.Unmarshal(b, &made); err != nil {
		t.Fatal(err)
	}
	var list []any
	for _, source := range cells {
		list = append(list, map[string]any{"cell_type": "code", "metadata": map[string]any{}, "execution_count": nil, "outputs": []any{}, "source": strings.SplitAfter(source, "\n")})
	}
	made["cells"] = list
	path := filepath.Join(t.TempDir(), "processes")
	if b, err = json.Marshal(made); err == nil {
		err = os.WriteFile(path+".ipynb", b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	nb, page, said := notebook.ExecuteAloud(t, path)
	nb.Executed(t)
	// The notebook asks for no name, so exec knows the run from the cell alone.
	if want := "made  " + filepath.Join(run, "checkpoints", "step-00000002") + "\n"; !strings.Contains(said, want) {
		t.Errorf("exec does not say %q:\n%s", want, said)
	}
	if n := strings.Count(page, "the cell begins"); n != 1 || !strings.Contains(page, "2 rows of 2 processes; the model is "+run) {
		t.Errorf("the cell began %d times: %v", n, nb.Cells[1].Outputs)
	}
	if n := strings.Count(page, "data-clipkit-chart="); n == 0 {
		t.Error("no curves were drawn")
	}
}
