// Command pixelhash decodes the pictures that are named on standard input, one path a line, and prints for each what pillow_pictures.py compares:
//
//	mode<TAB>width<TAB>height<TAB>SHA-256 of the RGB bytes       or       !<TAB>error
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"

	"clipnb/clipkit/imaging"
)

func main() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		encoded, err := os.ReadFile(lines.Text())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		p, err := imaging.Decode(encoded)
		if err != nil {
			fmt.Printf("!\t%s\n", strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Printf("%s\t%d\t%d\t%x\n", p.Mode, p.Width, p.Height, sha256.Sum256(p.RGB().Pix))
	}
}
