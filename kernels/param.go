package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// asked is a parameter that a notebook asks for with Param("name", fallback).
type asked struct {
	name     string
	kind     string // as kinds has it; "" where the code does not tell
	fallback string // as it stands in the code; "" where it is no literal
}

// kinds are the types that Param takes, with what says so in the code, what a person calls them, and whether a value is one.
var kinds = []struct {
	name, words string
	literal     *regexp.Regexp
	parse       func(string) error
}{
	{"string", "a text", regexp.MustCompile("^(?:\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`)"), func(string) error { return nil }},
	{"bool", "true or false", regexp.MustCompile(`^(?:true|false)\b`), func(v string) error { _, err := strconv.ParseBool(v); return err }},
	{"float64", "a number", regexp.MustCompile(`^-?(?:\d+\.\d*|\.\d+|\d+(?:\.\d*)?[eE][-+]?\d+)(?:[eE][-+]?\d+)?`), func(v string) error { _, err := strconv.ParseFloat(v, 64); return err }},
	{"int", "a whole number", regexp.MustCompile(`^-?\d+\b`), func(v string) error { _, err := strconv.Atoi(v); return err }},
}

var paramCall = regexp.MustCompile(`\bParam\w*(?:\[(\w+)\])?\(\s*"([^"]+)"\s*,?\s*`)

// asks are the parameters that the notebook's code asks for, sorted by name. Where one is asked for twice, what tells its type counts.
func (nb notebook) asks() []asked {
	var list []asked
	for _, at := range paramCall.FindAllStringSubmatchIndex(nb.code, -1) {
		a := asked{name: nb.code[at[4]:at[5]]}
		rest := nb.code[at[1]:]
		for _, k := range kinds {
			if literal := k.literal.FindString(rest); literal != "" && a.kind == "" {
				a.kind, a.fallback = k.name, literal
			}
		}
		if at[2] >= 0 {
			a.kind = nb.code[at[2]:at[3]]
		}
		list = append(list, a)
	}
	slices.SortStableFunc(list, func(a, b asked) int { return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(b.kind, a.kind)) })
	return slices.CompactFunc(list, func(a, b asked) bool { return a.name == b.name })
}

// params are the names of what the notebook asks for, sorted.
func (nb notebook) params() []string {
	var names []string
	for _, a := range nb.asks() {
		names = append(names, a.name)
	}
	return names
}

// checkParams refuses a name that the notebook does not ask for, which would change nothing, and a value that it could not read, which it would find out only
// after minutes.
func (nb notebook) checkParams(given []param) error {
	known := nb.asks()
	for _, p := range given {
		at := slices.IndexFunc(known, func(a asked) bool { return a.name == p.name })
		if at < 0 {
			return unknownParam(p.name, nb.params())
		}
		for _, k := range kinds {
			if k.name != known[at].kind || k.parse(p.value) == nil {
				continue
			}
			example := ""
			if known[at].fallback != "" {
				example = ", such as the notebook's own " + known[at].fallback
			}
			return fmt.Errorf("%w %s=%s: %s is %s%s", errValue, p.name, p.value, p.name, k.words, example)
		}
	}
	return nil
}

func unknownParam(name string, known []string) error {
	if len(known) == 0 {
		return fmt.Errorf("%w %q: this notebook has none", errParam, name)
	}
	meant := ""
	if near := similar(name, known); near != "" {
		meant = "; did you mean " + near + "?"
	}
	return fmt.Errorf("%w %q: this notebook has %s%s", errParam, name, strings.Join(known, ", "), meant)
}

// folder is the folder of experiments/ for the executed notebook: that of the run which it makes, where it says its name, else one of the notebook's own.
func (nb notebook) folder(base string, given []param) string {
	name := ""
	for _, a := range nb.asks() {
		if a.name == "name" {
			name, _ = strconv.Unquote(a.fallback)
		}
	}
	for _, p := range given {
		if p.name == "name" {
			name = p.value
		}
	}
	if !filepath.IsLocal(name) { // "", or a place outside experiments/, which the notebook itself may refuse
		return base
	}
	return name
}

// describe says what a notebook takes, a line each.
func (nb notebook) describe() (text string) {
	for _, a := range nb.asks() {
		words := "?"
		for _, k := range kinds {
			if k.name == a.kind {
				words = k.words
			}
		}
		text += fmt.Sprintf("  %-14s %s, %s unless given\n", a.name+"=", words, cmp.Or(a.fallback, "computed"))
	}
	return text
}

// similar is the one of known that a misspelt name most probably means, or "".
func similar(name string, known []string) (near string) {
	least := 1 + len(name)/3
	for _, k := range known {
		if d := distance(name, k); d <= least {
			near, least = k, d-1
		}
	}
	return near
}
