package dataset

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"

	"clipnb/clipkit/internal/atomicfile"
)

// WriteTSV writes a split in the raw layout, pictures first. Each file is whole or absent; an existing one is replaced.
func WriteTSV(s Source, imgs, texts string) error {
	err := atomicfile.Write(imgs, func(w io.Writer) error {
		for _, id := range s.ImageIDs() {
			data, err := s.Image(id)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%d\t%s\n", id, base64.StdEncoding.EncodeToString(data)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return atomicfile.Write(texts, func(w io.Writer) error {
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		for _, text := range s.Texts() {
			line := struct {
				TextID   int64   `json:"text_id"`
				Text     string  `json:"text"`
				ImageIDs []int64 `json:"image_ids"`
			}{text.ID, text.Text, append([]int64{}, text.ImageIDs...)}
			if err := out.Encode(line); err != nil {
				return err
			}
		}
		return nil
	})
}
