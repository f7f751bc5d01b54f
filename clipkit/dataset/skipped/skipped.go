// Package skipped collects the pictures that a job goes on without, because they are missing, damaged, too large or of a format that is not read. Every
// job that reads pictures treats them so: evaluation, indexes, zero-shot classification, validation and training.
//
//	skip := &skipped.Pictures{Budget: skipped.Budget, Say: say}
//	features, err := eval.Extract(ctx, w, m, split, length, skip, progress)
//	skip.Pictures // path and reason of each
//
// Package dataset has its names too: dataset.Skipped, dataset.SkipBudget.
package skipped

import (
	"fmt"
	"strings"
)

// Budget is how many bad pictures a job goes on without where nothing else is said.
const Budget = 100

// Pictures are what was skipped. nil is for work that needs every picture: the first bad one is an error. One serves a job that reads its pictures
// many times, such as a training's validations, so that each is told of once. It is for one goroutine; in a job of several processes each has its own,
// and all are told of the same pictures, so that they end alike where the budget is spent.
type Pictures struct {
	Budget   int               // how many there may be
	Say      func(line string) // told once of each, with path and reason; may be nil
	Pictures []Picture         // as they were met

	known map[string]bool
}

// Picture is one of them.
type Picture struct {
	Path   string `json:"path"` // as Label gives it
	Reason string `json:"reason"`
}

// Add takes a picture that cannot be read. The error says that the job must end: the budget is spent, or there is none.
func (k *Pictures) Add(path string, why error) error {
	if k == nil {
		return named(path, why)
	}
	if k.known[path] {
		return nil
	}
	if k.known == nil {
		k.known = map[string]bool{}
	}
	k.known[path] = true
	if len(k.Pictures) >= k.Budget {
		return fmt.Errorf("%w; it is bad picture number %d with a budget of %d: repair them or take them out (clipkit check --decode finds them), or raise the budget (--skip-budget)",
			named(path, why), len(k.Pictures)+1, k.Budget)
	}
	k.Pictures = append(k.Pictures, Picture{path, Reason(path, why)})
	if k.Say != nil {
		k.Say("left out: " + path + ": " + k.Pictures[len(k.Pictures)-1].Reason)
	}
	return nil
}

// named is an error that begins with the path, or with one that ends so ("opening food/a.jpg: ").
func named(path string, why error) error {
	if text := why.Error(); strings.HasPrefix(text, path) || strings.HasSuffix(first(text), path) {
		return why
	}
	return fmt.Errorf("%s: %w", path, why)
}

// Reason is an error in one line, without the path that it may begin with: "a.jpg in food: ", "opening food/a.jpg: ".
func Reason(path string, why error) string {
	text := strings.Join(strings.Fields(why.Error()), " ")
	if more, begins := strings.CutPrefix(text, path); begins {
		if _, after, ok := strings.Cut(more, ": "); ok {
			return after
		}
	}
	if begin := first(text); begin != text && strings.HasSuffix(begin, path) {
		return text[len(begin)+len(": "):]
	}
	return text
}

// first is what stands before the first colon.
func first(text string) string {
	begin, _, _ := strings.Cut(text, ": ")
	return begin
}

// Count is how many there are; nil has none.
func (k *Pictures) Count() int {
	if k == nil {
		return 0
	}
	return len(k.Pictures)
}
