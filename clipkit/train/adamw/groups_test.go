package adamw

import (
	"fmt"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/internal/golden"
)

func TestGroupsEqualTheReference(t *testing.T) {
	for _, kind := range []string{"vit", "rn"} {
		var want struct {
			NoDecay []string `json:"no_decay"`
			Decay   []string `json:"decay"`
		}
		golden.JSON(t, kind+"/param_groups.json", &want)
		var got []string
		for _, p := range Parameters(golden.Config(t, kind)) {
			got = append(got, p.Name)
		}
		if strings.Join(got, "\n") != strings.Join(append(want.NoDecay, want.Decay...), "\n") {
			t.Errorf("%s: order of parameters differs:\n%v\n%v %v", kind, got, want.NoDecay, want.Decay)
		}
	}
}

// Every parameter is in one group, a block's are together, and the groups of equal blocks have the same shapes in the same order.
func TestGroups(t *testing.T) {
	cfg, err := arch.Lookup("ViT-B-16")
	if err != nil {
		t.Fatal(err)
	}
	params := Parameters(cfg)
	seen, kinds := map[int]bool{}, map[string]bool{}
	for _, group := range Groups(params) {
		kind, size := "", 0
		for _, i := range group {
			if seen[i] {
				t.Fatalf("%s is in two groups", params[i].Name)
			}
			seen[i] = true
			size += params[i].Size()
			if blockOf(params[i].Name) != blockOf(params[group[0]].Name) {
				t.Errorf("%s and %s are in one group", params[i].Name, params[group[0]].Name)
			}
			kind += fmt.Sprint(params[i].Shape)
		}
		kinds[kind] = true
		if size > groupSize && len(group) > 1 {
			t.Errorf("a group of %d values", size)
		}
	}
	if len(seen) != len(params) || len(kinds) > 5 {
		t.Errorf("%d of %d parameters in groups of %d kinds", len(seen), len(params), len(kinds))
	}
}
