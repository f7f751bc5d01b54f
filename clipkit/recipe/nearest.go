package recipe

import "strings"

const mostNearest = 4 // names that an error suggests

// nearest are the names that a wrong one may have meant; nil where none is near. "1p" is what the ModelZoo calls its scripts for one device, whose recipes
// have no such ending here; words may be joined by - or _; a name may lack its beginning.
func nearest(wrong string, names []string) (near []string) {
	plain := func(name string) string {
		return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", "-")
	}
	meant := strings.TrimSuffix(plain(wrong), "-1p")
	least := max(1, len(meant)/4)
	for _, name := range names {
		distance := edits(meant, name)
		for rest := name; ; { // and of what follows each slash
			_, after, more := strings.Cut(rest, "/")
			if !more {
				break
			}
			rest = after
			distance = min(distance, edits(meant, rest))
		}
		if distance < least {
			least, near = distance, nil
		}
		if distance == least {
			near = append(near, name)
		}
	}
	return near[:min(len(near), mostNearest)]
}

// edits is how many bytes have to be changed, added or taken away to make b of a (Levenshtein).
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, corner+1)
		}
	}
	return row[len(b)]
}
