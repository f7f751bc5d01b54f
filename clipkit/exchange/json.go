package exchange

import "encoding/json"

// ShareJSON makes v, a pointer, everywhere what it is on rank 0.
func ShareJSON(w World, v any) error {
	if w.Size() == 1 {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	size := []int64{int64(len(text))}
	if err := Share(w, size, 0); err != nil {
		return err
	}
	if w.Rank() != 0 {
		text = make([]byte, size[0])
	}
	if err := w.Share(text, 0); err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
