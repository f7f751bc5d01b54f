package weights

import "strings"

// The reference renames the attention weights while its flash attention is on (SPEC §1.9): in the vision tower in_proj is called Wqkv, in
// the text tower query, key and value are stacked to one Wqkv and the output projection moves. Its own reversal fails on files without
// "module."; this one takes both. A vision Wqkv lies below "attn.", a text one below "attention.self.".

const (
	flashVision, plainVision = ".attn.Wqkv.", ".attn.in_proj_"
	flashQKV                 = ".attention.self.Wqkv."
	flashOut, plainOut       = ".attention.self.out_proj.", ".attention.output.dense."
)

var selfAttention = [3]string{".attention.self.query.", ".attention.self.key.", ".attention.self.value."}

// fromFlash gives one tensor its plain names; a text Wqkv becomes three.
func fromFlash(t Tensor) ([]Tensor, error) {
	switch {
	case strings.Contains(t.Name, flashVision):
		t.Name = strings.Replace(t.Name, flashVision, plainVision, 1)
	case strings.Contains(t.Name, flashOut):
		t.Name = strings.Replace(t.Name, flashOut, plainOut, 1)
	case strings.Contains(t.Name, flashQKV):
		var three []Tensor
		for i, name := range selfAttention {
			part, err := third(strings.Replace(t.Name, flashQKV, name, 1), t, i)
			if err != nil {
				return nil, err
			}
			three = append(three, part)
		}
		return three, nil
	}
	return []Tensor{t}, nil
}

// Flash gives tensors the names that the reference's model has while its flash attention is on, "module." or not; Load reads either.
// The tensors are in the order of the given ones, a stacked one where its query was. The error names three that do not belong together.
func Flash(tensors []Tensor) ([]Tensor, error) {
	named := map[string]Tensor{}
	for _, t := range tensors {
		named[t.Name] = t
	}
	var out []Tensor
	for _, t := range tensors {
		switch {
		case strings.Contains(t.Name, plainVision):
			t.Name = strings.Replace(t.Name, plainVision, flashVision, 1)
		case strings.Contains(t.Name, plainOut):
			t.Name = strings.Replace(t.Name, plainOut, flashOut, 1)
		case strings.Contains(t.Name, selfAttention[1]), strings.Contains(t.Name, selfAttention[2]):
			continue // stacked below its query
		case strings.Contains(t.Name, selfAttention[0]):
			name := func(part string) string { return strings.Replace(t.Name, selfAttention[0], part, 1) }
			stacked, err := joined(name(flashQKV), t, named[name(selfAttention[1])], named[name(selfAttention[2])])
			if err != nil {
				return nil, err
			}
			stacked.Data, stacked.build = stacked.bytes(), nil
			t = stacked
		}
		out = append(out, t)
	}
	return out, nil
}
