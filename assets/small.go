package assets

import _ "embed"

// SmallModel is the pretrained "emoji" model, a safetensors file in half precision that names its architecture.
// "go run ./assets/generate/pretrain" makes it again.
//
//go:embed small/emoji.safetensors
var SmallModel []byte
