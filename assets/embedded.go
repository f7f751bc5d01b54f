//go:build !clipkit_cell

package assets

import _ "embed"

//go:embed emoji/emoji.zip
var emojiZip string

//go:embed small/emoji.safetensors
var smallModel []byte

func packedEmoji() (string, error) { return emojiZip, nil }

// SmallModel is the pretrained "emoji" model, a safetensors file in half precision that names its architecture.
// "go run ./assets/generate/pretrain" makes it again.
func SmallModel() ([]byte, error) { return smallModel, nil }
