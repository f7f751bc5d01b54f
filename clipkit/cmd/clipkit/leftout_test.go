package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/dataset/datasettest"
)

// Commands that read pictures leave out a bad one, named by its path, unless they are told to stop there.
func TestBadPicturesAndStrictness(t *testing.T) {
	t.Parallel()
	const golden = "../../internal/golden/testdata"
	model := []string{"--device", "cpu:go", "--resume", golden + "/vit/init.pt", "--vision-model", golden + "/tiny-vit.json", "--text-model", golden + "/tiny-text.json"}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var pictures, texts string
	for i, picture := range []string{datasettest.Picture(40, 40, 1), datasettest.Picture(40, 40, 2), datasettest.Picture(40, 40, 3), "<html>404</html>"} {
		write(fmt.Sprintf("classes/%s/%d.png", []string{"猫", "狗"}[i%2], i), picture)
		pictures += fmt.Sprintf("%d\t%s\n", i, base64.StdEncoding.EncodeToString([]byte(picture)))
		texts += fmt.Sprintf(`{"text_id": %d, "text": "第%d张", "image_ids": [%[1]d]}`+"\n", i, i)
	}
	write("set/valid_imgs.tsv", pictures)
	write("set/valid_texts.jsonl", texts)

	for _, c := range []struct {
		name      string
		args      []string
		bad, says string
	}{
		{"zeroshot", []string{"zeroshot", filepath.Join(dir, "classes")}, "狗/3.png", "left out, as they cannot be read: 1\n"},
		{"extract", []string{"extract", "--text-data", filepath.Join(dir, "set", "valid_texts.jsonl")}, "image 3", "pictures that cannot be read: 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, strict := range [][]string{{"--strict"}, {"--skip-budget", "0"}} {
				out, err := command(t, append(append(c.args, model...), strict...)...).CombinedOutput()
				if text := string(out); err == nil || strings.Count(text, c.bad) != 1 || !strings.Contains(text, "a web page (HTML)") {
					t.Errorf("%s: %v\n%s", strict, err, text)
				}
			}
			out, err := command(t, append(c.args, model...)...).CombinedOutput()
			if text := string(out); err != nil || strings.Count(text, "left out: "+c.bad+": ") != 1 || !strings.Contains(text, c.says) {
				t.Errorf("%v\n%s", err, text)
			}
			fails(t, command(t, append(c.args, "--skip-budget", "-1", "--resume", "emoji")...), 2, "--skip-budget -1")
		})
	}
}
