package weights

import (
	"strings"

	"clipnb/clipkit/weights/tensor"
)

// The reference renames the attention weights while its flash attention is on (cn_clip/clip/model.py:493-548): in the vision tower in_proj is
// called Wqkv; in the text tower query, key and value are stacked to one Wqkv, and the output projection gets another name. The reference's
// way back fails on files without "module." (line 545); the one here takes both. A vision Wqkv is named below "attn.", a text one below
// "attention.self.".
const (
	flashVision, plainVision = ".attn.Wqkv.", ".attn.in_proj_"
	flashQKV                 = ".attention.self.Wqkv."
	flashOut, plainOut       = ".attention.self.out_proj.", ".attention.output.dense."
)

var selfAttention = [3]string{".attention.self.query.", ".attention.self.key.", ".attention.self.value."}

// fromFlash gives a tensor its plain name. A text Wqkv becomes three tensors.
func fromFlash(t tensor.Tensor) ([]tensor.Tensor, error) {
	switch {
	case strings.Contains(t.Name, flashVision):
		t.Name = strings.Replace(t.Name, flashVision, plainVision, 1)
	case strings.Contains(t.Name, flashOut):
		t.Name = strings.Replace(t.Name, flashOut, plainOut, 1)
	case strings.Contains(t.Name, flashQKV):
		var three []tensor.Tensor
		for i, name := range selfAttention {
			part, err := tensor.Third(strings.Replace(t.Name, flashQKV, name, 1), t, i)
			if err != nil {
				return nil, err
			}
			three = append(three, part)
		}
		return three, nil
	}
	return []tensor.Tensor{t}, nil
}

// toFlash gives tensors the names that the reference's model has while its flash attention is on, whether they begin with "module." or not.
// The order stays; a stacked tensor stands where its query stood. The error names a query, key and value that do not fit together.
func toFlash(tensors []tensor.Tensor) ([]tensor.Tensor, error) {
	named := map[string]tensor.Tensor{}
	for _, t := range tensors {
		named[t.Name] = t
	}
	var out []tensor.Tensor
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
			stacked, err := tensor.Join(name(flashQKV), t, named[name(selfAttention[1])], named[name(selfAttention[2])])
			if err != nil {
				return nil, err
			}
			t = stacked
		}
		out = append(out, t)
	}
	return out, nil
}
