package chart

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"clipnb/clipkit/chart/svg"
	"clipnb/clipkit/experiment"
)

func TestPublishedBesideMeasured(t *testing.T) {
	recall := experiment.Recall{R1: 1, R5: 2, R10: 3}
	c := RecallBars(Named{Name: "RN50", TextToImage: recall}, Named{Name: "ViT-B-16", TextToImage: recall}, Named{Name: "ViT-B-16", TextToImage: recall, Published: true})
	var names []string
	for _, m := range c.legend {
		names = append(names, m.name)
	}
	if got := strings.Join(names, ", "); got != "A RN50, B ViT-B-16, B ViT-B-16（已发表 published）" {
		t.Errorf("legend %s", got)
	}
	if c.legend[1].shape != svg.Square || c.legend[2].shape != svg.Hollow || c.legend[1].colour != c.legend[2].colour {
		t.Errorf("marks %+v", c.legend[1:])
	}
	if n := strings.Count(string(c.option), `"borderWidth":2`); n != 1 {
		t.Errorf("%d outlined series, want 1", n)
	}
}

func TestLatency(t *testing.T) {
	c := Latency(
		Timing{Model: "RN50", Engine: "PyTorch", Image: 12.93, Text: 3.64, Published: true},
		Timing{Model: "ViT-B-16", Engine: "XLA", Image: 11, Text: math.Inf(1)},
		Timing{Model: "ViT-B-16", Engine: "PyTorch", Image: 11.12, Text: 12.47, Published: true},
	)
	p := parse(t, c)
	if got := fmt.Sprintf("%q", p.XAxis[0].Data); got != `["RN50\n图 image" "RN50\n文 text" "ViT-B-16\n图 image" "ViT-B-16\n文 text"]` {
		t.Errorf("groups %s", got)
	}
	if got := fmt.Sprint(p.Series[0].Data, p.Series[1].Data); got != "[{12.93} {3.64} {11.12} {12.47}] [{-} {-} {11} {-}]" {
		t.Errorf("bars %s", got)
	}
	if p.Series[0].Name != "A PyTorch（已发表 published）" || p.Series[1].Name != "B XLA" || len(c.notes) != 1 {
		t.Errorf("names %q and %q, notes %q", p.Series[0].Name, p.Series[1].Name, c.notes)
	}
}

func TestLetter(t *testing.T) {
	if got := letter(0) + letter(25) + letter(26); got != "AZ27" {
		t.Errorf("letters %s", got)
	}
}
