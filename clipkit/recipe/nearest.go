package recipe

import (
	"strings"

	"clipnb/clipkit/internal/nearest"
)

const mostNearest = 4 // names that an error suggests

// near are the names that a wrong one may have meant; nil where none is near. "1p" is what the ModelZoo calls its scripts for one device, whose recipes
// have no such ending here; words may be joined by - or _; a name may lack its beginning.
func near(wrong string, names []string) (found []string) {
	plain := func(name string) string {
		return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", "-")
	}
	meant := strings.TrimSuffix(plain(wrong), "-1p")
	least := max(1, len(meant)/4)
	for _, name := range names {
		distance := nearest.Distance(meant, name)
		for rest := name; ; { // and of what follows each slash
			_, after, more := strings.Cut(rest, "/")
			if !more {
				break
			}
			rest = after
			distance = min(distance, nearest.Distance(meant, rest))
		}
		if distance < least {
			least, found = distance, nil
		}
		if distance == least {
			found = append(found, name)
		}
	}
	return found[:min(len(found), mostNearest)]
}
