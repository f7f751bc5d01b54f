package results

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/recipe"
)

func resultFile(p recipe.Recipe) string {
	return filepath.Join(repo.Experiments(), p.Config.Name, "eval", "result.json")
}

// readResult is what was kept of the recipe's run, else its settings alone.
func readResult(p recipe.Recipe) (Row, error) {
	r := Row{
		Recipe: p.Name, Run: p.Config.Name, Model: p.Architecture, Name: fmt.Sprintf("%dp", p.Devices), Data: p.Data,
		Epochs: p.Config.MaxEpochs, BatchSize: p.PairsPerStep() / p.Devices,
	}
	path := resultFile(p)
	b, err := regular.ReadFile(path, 16<<20)
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return r, fmt.Errorf("reading a result from %s: %w; delete the file, and Measure makes it again", path, err)
	}
	return r, nil
}

func keepResult(p recipe.Recipe, r Row) error {
	path := resultFile(p)
	b, err := json.MarshalIndent(r, "", " ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o777)
	}
	if err == nil {
		err = atomicfile.WriteBytes(path, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keeping a result: %w", err)
	}
	return nil
}

// writeScriptLogs leaves the two files of the ModelZoo's scripts, with their fields.
func writeScriptLogs(dir, goarch string, ranks int, r Row) error {
	machine := cmp.Or(map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[goarch], goarch) // as uname -m has it
	name := fmt.Sprintf("chinese_clip_bs%d_%dp_acc", r.BatchSize, ranks)
	for file, text := range map[string]string{
		name + ".log": fmt.Sprintf("Network = chinese_clip\nRankSize = %d\nBatchSize = %d\nDeviceType = %s\nCaseName = %s\n"+
			"text_to_image_acc_r5 = %.2f\nimage_to_text_acc_r5 = %.2f\n", ranks, r.BatchSize, machine, name, r.TextToImage.R5, r.ImageToText.R5),
		name + "_perf_report.log": fmt.Sprintf("ActualFPS = %.2f\nTrainingTime = %.3f\nE2ETrainingTime = %.0f\n", r.FPS, r.TrainingTime, r.E2ETrainingTime),
	} {
		if err := atomicfile.WriteBytes(filepath.Join(dir, file), []byte(text)); err != nil {
			return fmt.Errorf("writing the ModelZoo's logs: %w", err)
		}
	}
	return nil
}
