package chart

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// maxPicture bounds one embedded picture: a page holds many.
const maxPicture = 16 << 20

// Picture is one cell of a [Grid].
type Picture struct {
	Encoded []byte  // the file as it is: png, jpeg, gif, webp or bmp
	Caption string  // any text
	Score   float64 // cosine similarity or probability; 0 and NaN are not shown
	Right   *bool   // true: green frame and ✓; false: red frame and ✗; nil: unknown, no frame
}

// fragment is a figure that is finished HTML.
type fragment string

func (f fragment) HTML() string { return string(f) }

// Grid shows pictures with captions, as many in a row as fit. It needs no script.
func Grid(title string, pictures []Picture) Figure {
	var b strings.Builder
	b.WriteString(`<div style="margin:12px 0;max-width:960px">`)
	if title != "" {
		fmt.Fprintf(&b, `<div style="font-weight:bold">%s</div>`, escape(title))
	}
	if len(pictures) == 0 {
		b.WriteString(`<div style="padding:24px;opacity:0.75">没有图片 · no pictures</div>`)
	}
	for _, p := range pictures {
		p.cell(&b)
	}
	b.WriteString(`</div>`)
	return fragment(b.String())
}

// cell uses inline blocks: JupyterLab's sanitizer, which an untrusted notebook passes, removes CSS grids.
func (p Picture) cell(b *strings.Builder) {
	border, verdict := "transparent", ""
	if p.Right != nil {
		border, verdict = "#dc2626", `<span style="color:#dc2626">✗</span> `
		if *p.Right {
			border, verdict = "#16a34a", `<span style="color:#16a34a">✓</span> `
		}
	}
	fmt.Fprintf(b, `<div style="display:inline-block;vertical-align:top;width:136px;margin:6px;padding:4px;border:3px solid %s;font-size:12px;line-height:1.4;word-wrap:break-word">`, border)
	if kind, err := p.kind(); err != nil {
		fmt.Fprintf(b, `<div style="width:128px;height:128px;overflow:hidden;color:#dc2626">%s</div>`, escape(err.Error()))
	} else {
		fmt.Fprintf(b, `<img width="128" height="128" style="object-fit:contain" alt="%s" src="data:%s;base64,%s"/>`,
			escape(p.Caption), kind, base64.StdEncoding.EncodeToString(p.Encoded))
	}
	fmt.Fprintf(b, `<div>%s%s</div>`, verdict, escape(p.Caption))
	if p.Score != 0 && !math.IsNaN(p.Score) {
		fmt.Fprintf(b, `<div style="opacity:0.75">%s</div>`, strconv.FormatFloat(p.Score, 'f', 4, 64))
	}
	b.WriteString(`</div>`)
}

// kind is the media type by the first bytes; a file's name or its sender may say anything.
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
	return "", fmt.Errorf("not a picture that can be embedded: %s; expected png, jpeg, gif, webp or bmp", kind)
}
