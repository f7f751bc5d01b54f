package assets

import (
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strings"
)

//go:embed echarts.min.js.gz
var echartsGz string

// ECharts returns the minified script of Apache ECharts 5.6.0, about 1 MB of JavaScript. Every call unpacks it anew.
func ECharts() (string, error) {
	packed, err := gzip.NewReader(strings.NewReader(echartsGz))
	if err != nil {
		return "", fmt.Errorf("opening the embedded echarts.min.js.gz: %w; rebuild the program from a clean checkout", err)
	}
	script, err := io.ReadAll(packed)
	if err != nil {
		return "", fmt.Errorf("unpacking the embedded echarts.min.js.gz: %w; rebuild the program from a clean checkout", err)
	}
	return string(script), nil
}

// EChartsPacked is the same script as gzip packed it, a third of its size.
func EChartsPacked() []byte { return []byte(echartsGz) }
