// Package nearest finds what a person meant who misspelt a name.
//
//	nearest.Hint("quickstrat", runs) // `; did you mean "quickstart"? there are finetune, quickstart`
package nearest

import (
	"fmt"
	"slices"
	"strings"
)

// Shown is how many names a hint lists.
const Shown = 20

// Hint is what to add to an error about a name that is none of known: which of them was probably meant, and which there are. It is "" where there are none.
func Hint(name string, known []string) string {
	known = slices.Compact(slices.Sorted(slices.Values(known)))
	if len(known) == 0 {
		return ""
	}
	hint := ";"
	if near := Name(name, known); near != "" {
		hint += fmt.Sprintf(" did you mean %q?", near)
	}
	list, more := known, ""
	if len(list) > Shown {
		list, more = list[:Shown], fmt.Sprintf(" and %d more", len(known)-Shown)
	}
	return hint + " there are " + strings.Join(list, ", ") + more
}

// Name is the one of known that differs from name in no more than a letter and a third of them, capitals aside, or "".
func Name(name string, known []string) (near string) {
	if len(name) > 200 {
		return ""
	}
	least := 1 + len([]rune(name))/3
	for _, k := range known {
		if d := Distance(strings.ToLower(name), strings.ToLower(k)); d <= least && len(k) <= 200 {
			near, least = k, d-1
		}
	}
	return near
}

// Distance is the number of letters to change, leave out or add to make b of a (Levenshtein).
func Distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j := range to {
			cost := diagonal
			if from[i] != to[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(to)]
}
