package live

import (
	"strings"
	"testing"

	"clipnb/clipkit/chart"

	"github.com/janpfeifer/gonb/gonbui/protocol"
)

// Each figure comes as HTML, as text, and if it is a chart as an image, which nothing but a browser that runs scripts sees otherwise.
func TestOutputHasEveryForm(t *testing.T) {
	rows := []string{"a", "9.0"}
	for name, c := range map[string]struct {
		figures []chart.Figure
		image   bool
	}{
		"table":  {[]chart.Figure{chart.Table([]string{"x", "R@1"}, [][]string{rows})}, false},
		"grid":   {[]chart.Figure{chart.Grid("x", []chart.Picture{{Caption: "a"}})}, false},
		"charts": {[]chart.Figure{chart.Loss(nil), chart.RecallBars(chart.Named{Name: "a"})}, true},
	} {
		data := output("<script>1</script>", c.figures...)
		html, text := data[protocol.MIMETextHTML].(string), data[protocol.MIMETextPlain].(string)
		if !strings.HasPrefix(html, "<script>1</script><div") || !strings.Contains(text, "a") || strings.Contains(text, "<") {
			t.Errorf("%s: %.300s\n%s", name, html, text)
		}
		image, is := data[protocol.MIMEImageSVG].(string)
		if is != c.image || is && !strings.HasPrefix(image, "<svg ") {
			t.Errorf("%s has the image %.100s", name, image)
		}
	}
}
