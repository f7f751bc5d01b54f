package adamw

import (
	"strings"

	"clipnb/clipkit/arch"
)

// groupSize is how many values of other tensors make a group.
const groupSize = 1 << 24

// Groups splits parameters into those that are updated together, as places in params.
func Groups(params []arch.Tensor) (list [][]int) {
	blocks, others, size := map[string]int{}, -1, 0
	for i, t := range params {
		block := blockOf(t.Name)
		at, ok := blocks[block]
		if block == "" {
			at, ok = others, others >= 0 && size+t.Size() <= groupSize
		}
		if !ok {
			at, list = len(list), append(list, nil)
			if block == "" {
				others, size = at, 0
			}
		}
		if block == "" {
			size += t.Size()
		} else {
			blocks[block] = at
		}
		list[at] = append(list[at], i)
	}
	return list
}

// blockOf is the name of the transformer block that a tensor is in, or "".
func blockOf(name string) string {
	for _, tower := range []string{"visual.transformer.resblocks.", "bert.encoder.layer."} {
		if rest, ok := strings.CutPrefix(name, tower); ok {
			number, _, _ := strings.Cut(rest, ".")
			return tower + number
		}
	}
	return ""
}
