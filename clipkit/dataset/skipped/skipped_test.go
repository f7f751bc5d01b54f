package skipped

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// Each picture is told of once, with path and reason, and the one beyond the budget ends the job by its path.
func TestSkipped(t *testing.T) {
	var said []string
	k := &Pictures{Budget: 2, Say: func(line string) { said = append(said, line) }}
	cut := errors.New("cut off")
	for _, path := range []string{"红/1.jpg", "红/1.jpg", "2.jpg", "红/1.jpg"} {
		if err := k.Add(path, cut); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"left out: 红/1.jpg: cut off", "left out: 2.jpg: cut off"}; !slices.Equal(said, want) || k.Count() != 2 {
		t.Errorf("said %q, want %q", said, want)
	}
	if err := k.Add("3.jpg", cut); !errors.Is(err, cut) || !strings.HasPrefix(err.Error(), "3.jpg: ") || !strings.Contains(err.Error(), "budget of 2") {
		t.Errorf("beyond the budget: %v", err)
	}
	var strict *Pictures
	if err := strict.Add("3.jpg", cut); !errors.Is(err, cut) || !strings.HasPrefix(err.Error(), "3.jpg: ") || strict.Count() != 0 {
		t.Errorf("without a budget: %v", err)
	}
	for _, text := range []string{"4.jpg: no\npicture", "4.jpg in food: no picture", "opening food/4.jpg: no picture", "food/4.jpg: no picture", "no picture"} {
		r := &Pictures{Budget: 1}
		if r.Add("4.jpg", errors.New(text)) != nil || r.Pictures[0] != (Picture{"4.jpg", "no picture"}) {
			t.Errorf("%q: %+v", text, r.Pictures)
		}
		if err := strict.Add("4.jpg", errors.New(text)); strings.Count(err.Error(), "4.jpg") != 1 {
			t.Errorf("%q: %v", text, err)
		}
	}
}
