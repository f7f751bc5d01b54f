package live

import (
	"strings"
	"testing"

	"clipnb/clipkit/chart"

	"github.com/janpfeifer/gonb/gonbui/protocol"
)

// Each figure comes as HTML, as text, and as an image.
func TestOutputHasEveryForm(t *testing.T) {
	rows := []string{"a", "9.0"}
	for name, figures := range map[string][]chart.Figure{
		"table":  {chart.Table([]string{"x", "R@1"}, [][]string{rows})},
		"grid":   {chart.Grid("x", []chart.Picture{{Caption: "a"}})},
		"charts": {chart.Loss(nil), chart.RecallBars(chart.Named{Name: "a"})},
	} {
		data := output("<script>1</script>", figures...)
		html, text := data[protocol.MIMETextHTML].(string), data[protocol.MIMETextPlain].(string)
		if !strings.HasPrefix(html, "<script>1</script><div") || !strings.Contains(text, "a") || strings.Contains(text, "<") {
			t.Errorf("%s: %.300s\n%s", name, html, text)
		}
		image, is := data[protocol.MIMEImageSVG].(string)
		if !is || !strings.HasPrefix(image, "<svg ") || !strings.Contains(image, ">a<") {
			t.Errorf("%s has the image %.100s", name, image)
		}
	}
}
