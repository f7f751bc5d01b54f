package arch_test

import (
	"fmt"

	"clipnb/clipkit/arch"
)

func Example() {
	c, err := arch.Lookup("ViT-B-16")
	if err != nil {
		panic(err)
	}
	fmt.Println(c.NumParams(), c.VisionHeads(), c.Grid())
	fmt.Println(c.Tensors()[3].Name, c.Tensors()[3].Shape)
	// Output:
	// 188262913 12 14
	// visual.positional_embedding [197 768]
}
