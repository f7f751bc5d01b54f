package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"

	"clipnb/clipkit/dataset"

	"golang.org/x/image/draw"
)

// A picture's size and the quality of its JPEG, which makes some 40 kB of it.
const (
	width, height = 500, 375
	quality       = 87
)

// drawing is one of the embedded emoji, with white made transparent.
type drawing struct {
	name  string
	image *image.NRGBA
}

// drawings are those of all splits of the embedded set, under their first caption.
func drawings() (all []drawing, err error) {
	data, err := dataset.Open("emoji")
	if err != nil {
		return nil, err
	}
	defer data.Close()
	for _, s := range []dataset.Source{data.Train, data.Valid, data.Test} {
		captions := dataset.CaptionsByImage(s)
		for _, id := range s.ImageIDs() {
			file, err := s.Image(id)
			if err != nil {
				return nil, err
			}
			p, err := png.Decode(bytes.NewReader(file))
			if err != nil {
				return nil, fmt.Errorf("picture %d of %s: %w", id, s.Name(), err)
			}
			all = append(all, drawing{captions[id][0], cutOut(p)})
		}
	}
	return all, nil
}

// cutOut makes what is white transparent.
func cutOut(p image.Image) *image.NRGBA {
	m := image.NewNRGBA(p.Bounds())
	draw.Draw(m, m.Bounds(), p, p.Bounds().Min, draw.Src)
	for i := 0; i < len(m.Pix); i += 4 {
		if m.Pix[i] > 250 && m.Pix[i+1] > 250 && m.Pix[i+2] > 250 {
			copy(m.Pix[i:], []byte{0, 0, 0, 0})
		}
	}
	return m
}

// grounds are what drawings stand on.
var grounds = []struct {
	name  string
	color color.RGBA
}{
	{"天蓝色", color.RGBA{150, 200, 240, 255}}, {"草绿色", color.RGBA{130, 180, 100, 255}}, {"沙黄色", color.RGBA{225, 205, 150, 255}}, {"灰色", color.RGBA{150, 150, 155, 255}},
	{"粉红色", color.RGBA{240, 180, 190, 255}}, {"橙色", color.RGBA{235, 160, 90, 255}}, {"紫色", color.RGBA{170, 140, 200, 255}}, {"棕色", color.RGBA{150, 115, 85, 255}},
	{"深蓝色", color.RGBA{60, 80, 130, 255}}, {"米白色", color.RGBA{240, 235, 220, 255}},
}

// scene is what a picture shows.
type scene struct {
	seed       uint64
	groundName string
	ground     color.RGBA
	turn       float64 // of the light
	placed     []placed
}

type placed struct {
	drawing drawing
	at      image.Rectangle
}

// newScene draws lots. Each drawing has a part of the picture's width to itself.
func newScene(rng *rand.Rand, all []drawing) scene {
	g := grounds[rng.IntN(len(grounds))]
	s := scene{seed: rng.Uint64(), groundName: g.name, ground: g.color, turn: 2 * math.Pi * rng.Float64()}
	n := 2 + rng.IntN(4)
	for i := range n {
		side := 70 + rng.IntN(min(200, 2*width/n)-70)
		x := width*i/n + rng.IntN(max(1, width/n-side/2)) - side/8
		y := rng.IntN(height - side)
		s.placed = append(s.placed, placed{all[rng.IntN(len(all))], image.Rect(x, y, x+side, y+side)})
	}
	return s
}

// where and size are how a caption says it.
func (p placed) where() string {
	x, y := p.at.Min.X+p.at.Dx()/2, p.at.Min.Y+p.at.Dy()/2
	column, row := min(2, max(0, 3*x/width)), min(2, max(0, 3*y/height))
	if row == 1 {
		return []string{"左边", "中间", "右边"}[column]
	}
	return []string{"左", "中间", "右"}[column] + []string{"上方", "", "下方"}[row]
}

func (p placed) size() string {
	if p.at.Dx() > 130 {
		return "大大"
	}
	return "小小"
}

// jpeg draws the scene.
func (s scene) jpeg() ([]byte, error) {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	s.paintGround(m)
	for _, p := range s.placed {
		draw.ApproxBiLinear.Scale(m, p.at, p.drawing.image, p.drawing.image.Bounds(), draw.Over, nil)
	}
	var out bytes.Buffer
	err := jpeg.Encode(&out, m, &jpeg.Options{Quality: quality})
	return out.Bytes(), err
}

// paintGround is a slope of light with a grain, so that a picture takes as much of the disk and of a decoder as a photograph.
func (s scene) paintGround(m *image.RGBA) {
	rng := rand.New(rand.NewPCG(s.seed, 1))
	var grain [1 << 12]int
	for i := range grain {
		grain[i] = rng.IntN(15) - 7
	}
	dx, dy := math.Cos(s.turn)*0.12, math.Sin(s.turn)*0.12
	for y := range height {
		at := rng.IntN(len(grain)) // each row begins elsewhere
		for x := range width {
			light := int(dx*float64(x-width/2)+dy*float64(y-height/2)) + grain[(at+x)%len(grain)]
			to := m.Pix[m.PixOffset(x, y):]
			for c, v := range [3]uint8{s.ground.R, s.ground.G, s.ground.B} {
				to[c] = uint8(min(255, max(0, int(v)+light)))
			}
			to[3] = 255
		}
	}
}
