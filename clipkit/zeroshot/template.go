package zeroshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"clipnb/clipkit/internal/regular"
)

// Templates are sentences with {} in the place of a label: "一张{}的照片". The choice of templates is worth several points of accuracy;
// a result without them cannot be compared.
type Templates []string

// ChineseTemplates are ours, for sets of any kind of picture. The reference's are in its repository, from where ReadTemplates reads them.
var ChineseTemplates = Templates{
	"{}",
	"{}的图片",
	"{}的照片",
	"一张{}的图片",
	"一张{}的照片",
	"这是{}",
	"图中是{}",
	"照片里有{}",
	"一张拍到{}的照片",
	"{}的近照",
	"{}的清晰照片",
	"一张有些模糊的{}照片",
	"画面中央的{}",
	"远处的{}",
	"一张只有{}的照片",
	"{}的插图",
	"一幅画着{}的画",
	"{}的简笔画",
	"{}的图标",
	"一种叫{}的东西",
}

// templateChoice is the set of templates that the reference uses for a dataset (cn_clip/eval/zeroshot_evaluation.py:235), and how
// many there are.
type templateChoice struct {
	Set   string
	Count int
}

// templateChoices are by dataset; all others take defaultTemplates.
var templateChoices = map[string]templateChoice{
	"fgvc-aircraft-2013b-variants102": {"aircraft_templates", 100},
	"food-101":                        {"food_templates", 21},
	"oxford-flower-102":               {"flower_templates", 32},
	"eurosat_clip":                    {"eurosat_templates", 24},
	"resisc45_clip":                   {"eurosat_templates", 24},
	"country211":                      {"country211_templates", 4},
}

var defaultTemplates = templateChoice{"openai_templates", 183}

// templatesFor names the reference's set for a dataset. Its file has sets that its code never selects (cars, pet, cifar100 …): ReadTemplates takes
// them by name. Which ones the published figures were made with is not recorded; for KITTI, PatchCamelyon and VOC nobody has reproduced
// them (the reference's issues 77 and 214).
func templatesFor(dataset string) templateChoice {
	if c, ok := templateChoices[dataset]; ok {
		return c
	}
	return defaultTemplates
}

// Bounds on files of templates and labels.
const (
	maxTemplateFile = 16 << 20 // bytes
	maxTemplates    = 10_000   // in a set
	maxLabel        = 1 << 10  // bytes of a template or of a label
)

// Check says what is wrong with templates.
func (t Templates) Check() error {
	if len(t) == 0 || len(t) > maxTemplates {
		return fmt.Errorf("%w: %d templates, want 1 to %d, such as \"一张{}的照片\"", ErrInput, len(t), maxTemplates)
	}
	for i, s := range t {
		switch {
		case strings.Count(s, "{}") != 1:
			return fmt.Errorf("%w: template %d, %.80q, needs {} once, where the label goes", ErrInput, i+1, s)
		case len(s) > maxLabel || !utf8.ValidString(s):
			return fmt.Errorf("%w: template %d, %.80q, is not UTF-8 of at most %d bytes", ErrInput, i+1, s, maxLabel)
		}
	}
	return nil
}

func (t Templates) fill(i int, label string) string { return strings.Replace(t[i], "{}", label, 1) }

// ReadTemplates reads one set of templates from a file:
//
//	["{}的照片", "一张{}的图片"]                                  JSON, one set: set is not asked for
//	{"food_templates": ["一种叫{}的食物的照片"], …}                JSON, several sets
//	food_templates = [ lambda c: f"一种叫{c}的食物的照片", … ]      the reference's cvinw_zeroshot_templates.py; nothing of it is executed
//
// One of the reference's own sets is checked for its size, when dataset (such as "food-101") leaves the choice to [templatesFor] and set is "".
func ReadTemplates(path, set, dataset string) (Templates, error) {
	data, err := readLimited(path, maxTemplateFile)
	if err != nil {
		return nil, fmt.Errorf("reading templates: %w", err)
	}
	sets, err := parseTemplates(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInput, path, err)
	}
	want := 0
	if set == "" {
		choice := templatesFor(dataset)
		set, want = choice.Set, choice.Count
	}
	t, ok := sets[set]
	if only, single := sets[""]; single {
		t, ok, want = only, true, 0
	}
	if !ok {
		return nil, fmt.Errorf("%w: %s has no set %q; it has %s", ErrInput, path, set, strings.Join(slices.Sorted(maps.Keys(sets)), ", "))
	}
	if err := t.Check(); err != nil {
		return nil, fmt.Errorf("%s, set %q: %w", path, set, err)
	}
	if want > 0 && len(t) != want {
		return nil, fmt.Errorf("%w: %s: set %q has %d templates, the reference's has %d; name the set if another is meant", ErrInput, path, set, len(t), want)
	}
	return t, nil
}

// parseTemplates gives sets by name; "" for a file of a single one.
func parseTemplates(data []byte) (map[string]Templates, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("not UTF-8")
	}
	switch text := strings.TrimSpace(string(data)); {
	case strings.HasPrefix(text, "["):
		var one Templates
		if err := json.Unmarshal(data, &one); err != nil {
			return nil, fmt.Errorf("not a JSON list of strings: %w", err)
		}
		return map[string]Templates{"": one}, nil
	case strings.HasPrefix(text, "{"):
		var sets map[string]Templates
		if err := json.Unmarshal(data, &sets); err != nil {
			return nil, fmt.Errorf("not a JSON object of lists of strings: %w", err)
		}
		return sets, nil
	default:
		return parsePythonTemplates(text)
	}
}

var (
	pythonSet    = regexp.MustCompile(`^(\w+)\s*=\s*\[`)
	pythonLambda = regexp.MustCompile(`^\s*lambda\s+(\w+)\s*:\s*f"([^"\\]*)"\s*,?\s*\]?\s*$`)
)

// parsePythonTemplates reads the reference's file: lists of lambdas over f-strings, one a line. Any other line inside a list is an error.
func parsePythonTemplates(text string) (map[string]Templates, error) {
	sets, set := map[string]Templates{}, ""
	for number, line := range strings.Split(text, "\n") {
		rest := line
		if m := pythonSet.FindStringSubmatch(line); m != nil {
			set, rest = m[1], line[len(m[0]):]
			sets[set] = Templates{}
		}
		switch trimmed := strings.TrimSpace(rest); {
		case set == "", trimmed == "", strings.HasPrefix(trimmed, "#"):
			continue
		case trimmed == "]":
			set = ""
			continue
		}
		m := pythonLambda.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("line %d: %.80q is not of the form lambda c: f\"…{c}…\"", number+1, line)
		}
		if strings.Count(m[2], "{") != 1 || strings.Count(m[2], "{"+m[1]+"}") != 1 {
			return nil, fmt.Errorf("line %d: %.80q needs {%s} once and no other brace", number+1, line, m[1])
		}
		sets[set] = append(sets[set], strings.Replace(m[2], "{"+m[1]+"}", "{}", 1))
		if strings.HasSuffix(strings.TrimSpace(rest), "]") {
			set = ""
		}
	}
	if len(sets) == 0 {
		return nil, fmt.Errorf("neither JSON nor the reference's lists of lambda c: f\"…{c}…\"")
	}
	return sets, nil
}

// readLimited reads a whole file that must not be larger than limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	data, err := regular.ReadFile(path, limit)
	if errors.Is(err, regular.ErrTooLong) {
		return nil, fmt.Errorf("%w: %s has more than %d MiB", ErrInput, path, limit>>20)
	}
	return data, err
}
