package chart

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"clipnb/clipkit/chart/plain"
	"clipnb/clipkit/chart/svg"
	"clipnb/clipkit/imaging"
)

// maxPicture bounds one embedded picture: a page holds many.
const maxPicture = 16 << 20

// gridSide is the longer side of a large picture in a grid, which shows it at half of that: enough for dense screens. Files smaller than
// embedWhole stay as they are.
const (
	gridSide   = 256
	embedWhole = 24 << 10
)

// Picture is one cell of a [Grid], one row of a [Heatmap] or one point of a [Map].
type Picture struct {
	Encoded []byte  // the file as it is, in a format that package imaging reads
	Caption string  // any text
	Score   float64 // cosine similarity or probability; 0 and NaN are not shown
	Right   *bool   // true: green frame and ✓; false: red frame and ✗; nil: unknown, no frame
}

// fragment is a figure that is finished HTML, text and picture.
type fragment struct {
	html, text string
	still      *svg.Drawing
}

func (f fragment) HTML() string   { return f.html }
func (f fragment) String() string { return f.text }
func (f fragment) Still() []byte  { return f.still.Document(svg.Pencil) }

// Grid shows pictures with captions, as many in a row as fit. It needs no script. Large pictures are made small, and what is out of sight
// is neither decoded nor laid out, so a thousand are no burden; a caption is cut to four lines, and longer under the pointer.
func Grid(title string, pictures []Picture) Figure {
	var b strings.Builder
	b.WriteString(`<div style="margin:12px 0;max-width:960px">`)
	if title != "" {
		fmt.Fprintf(&b, `<div style="font-weight:bold">%s</div>`, svg.Escape(title))
	}
	if len(pictures) == 0 {
		b.WriteString(`<div style="padding:24px;opacity:0.75">没有图片 · no pictures</div>`)
	}
	// Where six do not fit beside each other they stand as three and three, not as five and one.
	half, tiles := 0, []svg.Tile(nil)
	if n := len(pictures); n == 4 || n == 6 {
		half = n / 2
	}
	for i, p := range pictures {
		if half > 0 && i%half == 0 {
			b.WriteString(`<div style="display:inline-block;vertical-align:top">`)
		}
		tiles = append(tiles, p.cell(&b))
		if half > 0 && (i+1)%half == 0 {
			b.WriteString(`</div>`)
		}
	}
	b.WriteString(`</div>`)
	return fragment{b.String(), gridText(title, pictures), svg.Pictures(title, tiles)}
}

// maxLines is how many pictures a grid's text lists.
const maxLines = 24

// gridText has a line for each picture: its caption, and what is known of it.
func gridText(title string, pictures []Picture) string {
	lines := []string{plain.Line(title, 100)}
	for i, p := range pictures {
		if i == maxLines {
			lines = append(lines, fmt.Sprintf("  … %d more", len(pictures)-i))
			break
		}
		line := "  "
		if p.Right != nil && *p.Right {
			line += "✓ "
		} else if p.Right != nil {
			line += "✗ "
		}
		if p.Score != 0 && !math.IsNaN(p.Score) {
			line += strconv.FormatFloat(p.Score, 'f', 4, 64) + "  "
		}
		lines = append(lines, line+plain.Line(p.Caption, 64))
	}
	return strings.Join(lines, "\n")
}

// cell uses inline blocks: JupyterLab's sanitizer, which an untrusted notebook passes, removes CSS grids.
func (p Picture) cell(b *strings.Builder) (tile svg.Tile) {
	border, verdict := "transparent", ""
	if p.Right != nil {
		border, verdict = "#dc2626", `<span style="color:#dc2626">✗</span> `
		if *p.Right {
			border, verdict = "#16a34a", `<span style="color:#16a34a">✓</span> `
		}
		tile.Colour = border
	}
	fmt.Fprintf(b, `<div style="display:inline-block;vertical-align:top;width:136px;margin:5px;padding:4px;border:3px solid %s;font-size:12px;line-height:1.4;overflow-wrap:anywhere;content-visibility:auto;contain-intrinsic-size:136px 170px">`, border)
	caption := svg.Fit(p.Caption, 600)
	if uri, err := p.uri(); err != nil {
		fmt.Fprintf(b, `<div style="width:128px;height:128px;overflow:hidden;color:#dc2626">%s</div>`, svg.Escape(err.Error()))
	} else {
		tile.URI = uri
		fmt.Fprintf(b, `<img width="128" height="128" loading="lazy" decoding="async" style="object-fit:contain" alt="%s" src="%s"/>`, svg.Escape(caption), uri)
	}
	short := svg.Fit(p.Caption, 70)
	tile.Lines = []string{short}
	if short == caption {
		caption = ""
	}
	fmt.Fprintf(b, `<div dir="auto" title="%s">%s%s</div>`, svg.Escape(caption), verdict, svg.Escape(short))
	if p.Score != 0 && !math.IsNaN(p.Score) {
		tile.Lines = append(tile.Lines, strconv.FormatFloat(p.Score, 'f', 4, 64))
		fmt.Fprintf(b, `<div style="opacity:0.75">%s</div>`, tile.Lines[1])
	}
	b.WriteString(`</div>`)
	return tile
}

// uri is the picture as it is embedded. What cannot be decoded here may still mean something to a browser, and goes as it is.
func (p Picture) uri() (string, error) {
	kind, err := p.kind()
	if err != nil {
		return "", err
	}
	if kind == "" || len(p.Encoded) > embedWhole {
		if small, err := p.thumbnail(gridSide); err == nil || kind == "" {
			return small, err
		}
	}
	return dataURI(kind, p.Encoded), nil
}

// kind is the media type by the first bytes, "" for a format that package imaging reads and browsers do not; a file's name or its sender may say
// anything.
func (p Picture) kind() (string, error) {
	if len(p.Encoded) == 0 {
		return "", fmt.Errorf("no picture: 0 bytes")
	}
	if len(p.Encoded) > maxPicture {
		return "", fmt.Errorf("picture too large to embed: %d bytes, at most %d; make it smaller first", len(p.Encoded), maxPicture)
	}
	kind := http.DetectContentType(p.Encoded)
	switch kind {
	case "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp":
		return kind, nil
	}
	if _, err := imaging.DecodeConfig(p.Encoded); err != nil {
		return "", fmt.Errorf("not a picture that can be embedded: %w; expected png, jpeg, gif, webp or bmp", err)
	}
	return "", nil
}
