package browser

import (
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The page does each thing that tests of other packages assert to be absent.
func TestOpenSeesScriptsRequestsAndErrors(t *testing.T) {
	visit := Open(t, `<!DOCTYPE html><body><p id="p">before</p>
<script>document.getElementById("p").textContent = "af" + "ter"; console.log("hello from the page")</script>
<script>throw new Error("broken script")</script>
<img src="https://pictures.invalid/a.png">`)
	if !strings.Contains(visit.DOM, "after") {
		t.Errorf("the script's effect is not in the DOM:\n%s", visit.DOM)
	}
	if !slices.Contains(visit.Requests, "https://pictures.invalid/a.png") {
		t.Errorf("requests %q lack the picture's", visit.Requests)
	}
	console := strings.Join(visit.Console, "\n")
	for _, want := range []string{"hello from the page", "broken script"} {
		if !strings.Contains(console, want) {
			t.Errorf("console lacks %q:\n%s", want, console)
		}
	}
}

func TestOpenOfALocalPageRequestsNothing(t *testing.T) {
	if visit := Open(t, `<!DOCTYPE html><p>only text`); len(visit.Requests) != 0 {
		t.Errorf("requests: %q", visit.Requests)
	}
}

func TestScreenshotFollowsTheColourScheme(t *testing.T) {
	page := `<!DOCTYPE html><style>body{background:#ffffff}@media (prefers-color-scheme: dark){body{background:#000000}}</style>`
	for _, dark := range []bool{false, true} {
		file := filepath.Join(t.TempDir(), "shot.png")
		Screenshot(t, page, file, Look{Width: 300, Height: 200, Dark: dark})
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		picture, err := png.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		red, _, _, _ := picture.At(50, 50).RGBA()
		if size := picture.Bounds().Size(); size.X != 300 || (red == 0) != dark {
			t.Errorf("dark=%v: %v pixels, red %d", dark, size, red)
		}
	}
}
