//go:build clipkit_cell

package assets

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// A notebook's cell is linked each time that it runs, and copies what is embedded. Cells are compiled with this tag (kernels/*/kernel.json): the 14 MB that
// most of them do not use lie in the checkout that they were compiled from.

func packedEmoji() (string, error) {
	b, err := checkedOut("emoji/emoji.zip")
	return string(b), err
}

// SmallModel is the pretrained "emoji" model, a safetensors file in half precision that names its architecture.
// "go run ./assets/generate/pretrain" makes it again.
func SmallModel() ([]byte, error) { return checkedOut("small/emoji.safetensors") }

func checkedOut(name string) ([]byte, error) {
	_, source, _, _ := runtime.Caller(0)
	b, err := os.ReadFile(filepath.Join(filepath.Dir(source), name))
	if err != nil {
		return nil, fmt.Errorf("reading assets/%s of the checkout, which a program built with -tags clipkit_cell does not embed: %w; build it without the tag, or restart the kernel from where the checkout is now", name, err)
	}
	return b, nil
}
