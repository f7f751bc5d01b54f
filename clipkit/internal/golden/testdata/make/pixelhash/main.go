// Command pixelhash decodes the pictures that are named on standard input, one path a line, and prints for each what pillow_pictures.py compares.
// It also draws each in a chart.Grid, which must show or name whatever it is given: a panic there ends the comparison.
//
//	mode<TAB>width<TAB>height<TAB>SHA-256 of the RGB bytes       or       !<TAB>error
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/imaging"
)

func main() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		encoded, err := os.ReadFile(lines.Text())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		chart.Grid("", []chart.Picture{{Encoded: encoded, Caption: lines.Text()}}).HTML()
		p, err := imaging.Decode(encoded)
		if err != nil {
			fmt.Printf("!\t%s\n", strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Printf("%s\t%d\t%d\t%x\n", p.Mode, p.Width, p.Height, sha256.Sum256(p.RGB().Pix))
	}
}
