package experiment

import (
	"slices"
	"testing"
)

func TestMetrics(t *testing.T) {
	row := Row{Loss: 1, ImageToTextAcc: 2, TextToImageAcc: 3, TextToImage: &Recall{R1: 4, Mean: 6}, ImageToText: &Recall{R1: 5, Mean: 8}}
	want := map[string]float64{"loss": 1, "image_to_text_acc": 2, "text_to_image_acc": 3, "text_to_image_r1": 4, "image_to_text_r1": 5, "mean_recall": 7}
	for _, name := range Metrics() {
		if v, ok := row.Metric(name); !ok || v != want[name] {
			t.Errorf("%s is %v, %v", name, v, ok)
		}
		if _, ok := (Row{}).Metric(name); ok != slices.Contains([]string{"loss", "image_to_text_acc", "text_to_image_acc"}, name) {
			t.Errorf("%s of a row without recall: %v", name, ok)
		}
		if Better(name, 1, 2) != (name == "loss") || Better(name, 2, 1) != (name != "loss") || Better(name, 1, 1) {
			t.Errorf("%s: better the wrong way", name)
		}
	}
	if _, ok := row.Metric("luck"); ok || len(Metrics()) != len(want) {
		t.Errorf("%q", Metrics())
	}
}
