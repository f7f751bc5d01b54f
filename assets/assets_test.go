package assets

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestVocabIsTheOneOfTheReference(t *testing.T) {
	const want = "45bbac6b341c319adc98a532532882e91a9cefc0329aa57bac9ae761c27b291c" // of cn_clip/clip/vocab.txt
	if sum := fmt.Sprintf("%x", sha256.Sum256(Vocab)); sum != want {
		t.Errorf("vocab.txt has sha256 %s, want %s", sum, want)
	}
	if n := bytes.Count(Vocab, []byte("\n")); n != 21128 {
		t.Errorf("vocab.txt has %d lines, want 21128", n)
	}
}

func TestEChartsUnpacks(t *testing.T) {
	script, err := ECharts()
	if err != nil {
		t.Fatal(err)
	}
	const want = "bf4a223524e40b77c304bec67e1222cf551f14880cf42c69dc046558e11c07b1"
	if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(script))); sum != want {
		t.Errorf("echarts.min.js has sha256 %s, want %s of npm echarts 5.6.0", sum, want)
	}
	if !strings.Contains(script, "echarts") {
		t.Error("the script does not contain the word echarts")
	}
}

func TestNoticesNameEveryPackage(t *testing.T) {
	data, err := os.ReadFile("generate/packages.json")
	if err != nil {
		t.Fatal(err)
	}
	var packages []struct{ Name, Version, Licence, Attribution, Integrity string }
	if err := json.Unmarshal(data, &packages); err != nil {
		t.Fatal(err)
	}
	if len(packages) == 0 {
		t.Fatal("generate/packages.json is empty")
	}
	for _, p := range packages {
		_, notice, found := strings.Cut(Notices, p.Name+" "+p.Version)
		if !found {
			t.Errorf("NOTICES does not name %s %s", p.Name, p.Version)
			continue
		}
		if paragraph, _, _ := strings.Cut(notice, "\n\n"); !strings.Contains(paragraph, p.Licence) {
			t.Errorf("NOTICES names %s without its licence %s", p.Name, p.Licence)
		}
		if p.Attribution == "" || !strings.HasPrefix(p.Integrity, "sha512-") {
			t.Errorf("packages.json: %s lacks an attribution or a sha512 integrity", p.Name)
		}
	}
	if !strings.Contains(Notices, "vocab.txt") {
		t.Error("NOTICES does not name vocab.txt")
	}
}
