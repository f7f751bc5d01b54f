package dataset_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
)

func TestPublished(t *testing.T) {
	for name, want := range map[string]string{"MUGE": "MUGE", "muge": "MUGE", "flickr30k_cn": "Flickr30k-CN", "COCO-cn": "COCO-CN", "emoji": "", "": ""} {
		if p, ok := dataset.FindPublished(name); p.Name != want || ok != (want != "") {
			t.Errorf("%q is %q, want %q", name, p.Name, want)
		}
	}
	root := t.TempDir()
	dir := filepath.Join(root, "datasets", "MUGE")
	_, err := dataset.OpenPublished(root, "muge")
	if !errors.Is(err, dataset.ErrNotFound) || !strings.Contains(err.Error(), "/MUGE.zip and unpack it in "+filepath.Dir(dir)) || !strings.Contains(err.Error(), filepath.Join(dir, "valid_imgs.tsv")) {
		t.Errorf("error %v", err)
	}
	if _, err := dataset.OpenPublished(root, "LAION"); !errors.Is(err, dataset.ErrNotFound) || !strings.Contains(err.Error(), "MUGE, Flickr30k-CN, COCO-CN") {
		t.Errorf("error %v", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "test_imgs.tsv", "1\tQUJD")
	write(t, dir, "test_texts.jsonl", `{"text_id": 1, "text": "猫", "image_ids": []}`)
	d, err := dataset.OpenPublished(root, "MUGE")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	p, _ := dataset.FindPublished("MUGE")
	if p.BothWays || p.Report != "valid" {
		t.Errorf("MUGE is reported on %s, both ways %v; want valid, text→image only", p.Report, p.BothWays)
	}
}
