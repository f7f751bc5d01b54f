package imaging_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log"
	"math/rand/v2"

	"clipnb/clipkit/imaging"
)

// redSquare stands for the bytes of a file.
func redSquare() []byte {
	m := image.NewNRGBA(image.Rect(0, 0, 40, 30))
	for i := range 40 * 30 {
		m.Set(i%40, i/40, color.NRGBA{R: 255, A: 255})
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, m); err != nil {
		log.Fatal(err)
	}
	return buf.Bytes()
}

func Example() {
	pixels, err := imaging.Transform(redSquare(), 224)
	if err != nil {
		log.Fatal(err)
	}
	plane := 224 * 224
	fmt.Printf("%d values; red %.3f, green %.3f, blue %.3f\n", len(pixels), pixels[0], pixels[plane], pixels[2*plane])
	// Output: 150528 values; red 1.930, green -1.752, blue -1.480
}

func ExampleDecode() {
	p, err := imaging.Decode(redSquare())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Mode, p.Width, p.Height)

	_, err = imaging.Decode([]byte("not a picture"))
	fmt.Println(errors.Is(err, imaging.ErrFormat))
	// Output:
	// RGB 40 30
	// true
}

func ExampleAugment_Transform() {
	rng := rand.New(rand.NewPCG(42, 7)) // seed; epoch and sample
	pixels, err := imaging.Reference.Transform(redSquare(), 64, rng)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(pixels))
	// Output: 12288
}
