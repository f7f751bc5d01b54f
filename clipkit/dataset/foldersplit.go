package dataset

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"clipnb/clipkit/dataset/captions"
	"clipnb/clipkit/dataset/randperm"
)

// split tells which split each picture belongs to: as the captions say, or else at random. Pictures without a caption go with training.
func (f pictureFolder) split(captionFile string, lines []captions.Caption, texts []Text, share FolderSplit) (map[int64]string, error) {
	if !(share.Valid >= 0 && share.Valid < 1) {
		return nil, fmt.Errorf("opening %s: the share for validation is %g, want 0 to below 1", f.Dir, share.Valid)
	}
	splitOf := make(map[int64]string)
	for i := range f.Pictures {
		splitOf[int64(i+1)] = "train"
	}
	if lines[0].Split == "" { // then none has one
		for _, id := range deal(texts, share) {
			splitOf[id] = "valid"
		}
		return splitOf, nil
	}
	first := make(map[int64]captions.Caption)
	twice := captions.Faults{Name: captionFile}
	for i, c := range lines {
		id := texts[i].ImageIDs[0]
		if a, ok := first[id]; !ok {
			first[id], splitOf[id] = c, c.Split
		} else if a.Split != c.Split {
			twice.Add(c.Line, fmt.Sprintf("%s is in %s here, and in %s on line %d", c.Image, c.Split, a.Split, a.Line))
		}
	}
	return splitOf, captionError(twice.Err("give a picture to one split: figures on pictures that were trained on come out too high"))
}

// deal chooses the pictures for validation. Those that share a caption stay together, for a model that has learnt a caption by heart should not be
// judged by it. Where that leaves too few pictures for validation, because captions are class names or stock phrases, the commonest captions may
// be on both sides, as few of them as will do.
func deal(texts []Text, share FolderSplit) []int64 {
	described := make(map[int64]bool)
	for _, text := range texts {
		described[text.ImageIDs[0]] = true
	}
	ids := slices.Sorted(maps.Keys(described))
	want := int(share.Valid*float64(len(ids)) + 0.5)
	for limit := len(ids); ; limit /= 2 {
		groups := together(ids, texts, limit)
		var valid []int64
		for _, i := range randperm.Of(share.Seed, len(groups)) {
			if len(valid)+len(groups[i]) <= want {
				valid = append(valid, groups[i]...)
			}
		}
		if 2*len(valid) >= want || limit < 2 {
			return valid
		}
	}
}

// together groups pictures that share a caption, directly or through others. Captions of more than limit pictures do not count.
func together(ids []int64, texts []Text, limit int) [][]int64 {
	of := make(map[string][]int64) // by caption
	for _, text := range texts {
		same := strings.ToLower(strings.Join(strings.Fields(text.Text), " "))
		of[same] = append(of[same], text.ImageIDs[0])
	}
	leader := make(map[int64]int64, len(ids)) // a union-find; the leader of a group is its first picture
	find := func(id int64) int64 {
		for leader[id] != id {
			leader[id] = leader[leader[id]]
			id = leader[id]
		}
		return id
	}
	for _, id := range ids {
		leader[id] = id
	}
	for _, same := range of {
		slices.Sort(same)
		if same = slices.Compact(same); len(same) > limit {
			continue
		}
		for _, id := range same[1:] {
			a, b := find(same[0]), find(id)
			leader[max(a, b)] = min(a, b)
		}
	}
	var groups [][]int64
	at := make(map[int64]int)
	for _, id := range ids {
		l := find(id)
		if l == id {
			at[id] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[l]] = append(groups[at[l]], id)
	}
	return groups
}
