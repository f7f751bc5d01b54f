package hub_test

import (
	"context"
	"errors"
	"fmt"

	"clipnb/clipkit/weights/hub"
)

// Where a published model's weights are, downloaded if they are nowhere yet. Here the network is not to be used.
func ExampleLocate() {
	_, err := hub.Locate(context.Background(), "ViT-B-16", hub.Options{
		Folder: "pretrained_weights",
		Getenv: func(key string) string { return map[string]string{"CLIPKIT_OFFLINE": "1"}[key] },
	})
	fmt.Println(errors.Is(err, hub.ErrOffline))
	// Output:
	// true
}
