package explore_test

import (
	"context"
	"fmt"
	"log"

	"clipnb/clipkit"
	"clipnb/clipkit/explore"
)

// A page in a program of one's own; clipkit.Explore does this in a process of its own, and "go run ./clipkit/cmd/clipkit explore" from the command line.
func Example() {
	ctx := context.Background()
	data := clipkit.Must(clipkit.OpenDataset(ctx, "emoji"))
	m := clipkit.Must(clipkit.Load(ctx, "emoji"))
	ix := clipkit.Must(clipkit.BuildIndex(ctx, m, data.Test, clipkit.Keep("emoji")))
	side := clipkit.Must(ix.Side(ctx, "zero-shot"))
	h, err := explore.New(ctx, explore.Config{Title: "emoji", Source: data.Test, Sides: []explore.Side{side}})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	l, err := explore.Listen("127.0.0.1:8080", "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("http://" + l.Addr().String())
	log.Fatal(explore.Serve(ctx, l, h))
}
